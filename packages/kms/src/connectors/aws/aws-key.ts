import type { KeyMetadata, RotationsListEntry } from '@aws-sdk/client-kms'
import type { KeyDescription, KeyState } from '../../kms-connector.ts'

/**
 * KMS Developer Guide, "Key states". `Creating`, `Updating` and `Unavailable` pass by themselves: whether the key can be used
 * meanwhile, its use tells.
 */
const STATES: Readonly<Record<string, KeyState>> = {
  Disabled: 'disabled',
  PendingImport: 'disabled',
  PendingDeletion: 'pending-deletion',
  PendingReplicaDeletion: 'pending-deletion',
}

export interface KeyVersion {
  readonly version: number
  readonly createdAt: number
  readonly materialId?: string
}

/** A master key as AWS knows it. */
export interface AwsKey {
  /** Its key id: only a few calls take an alias. */
  readonly awsId: string
  readonly description: KeyDescription
  /** What AWS calls the newest version. Absent where there is no such thing: a key of a custom key store, a double of AWS. */
  readonly materialId?: string
}

export function awsKeyOf(keyId: string, metadata: KeyMetadata, versions: readonly KeyVersion[]): AwsKey {
  const { KeyId: awsId = '', CurrentKeyMaterialId: materialId, CreationDate, KeyState = '', DeletionDate } = metadata
  const state = STATES[KeyState] ?? 'enabled'
  const current = materialId === undefined ? undefined : versions.find((one) => one.materialId === materialId)
  const description = {
    keyId,
    state,
    createdAt: timeOf(CreationDate),
    ...(state === 'pending-deletion' && DeletionDate !== undefined && { deletionAt: DeletionDate.getTime() }),
    currentVersion: current?.version ?? versions.length,
    versions: versions.map(({ version, createdAt }) => ({ version, createdAt })),
  }
  return { awsId, description, ...(materialId !== undefined && { materialId }) }
}

export function firstVersion({ CreationDate }: KeyMetadata): KeyVersion {
  return { version: 1, createdAt: timeOf(CreationDate) }
}

/** The first material has no date of a rotation. */
export function versionOf(entry: RotationsListEntry, version: number, key?: KeyMetadata): KeyVersion {
  const { KeyMaterialId: materialId, RotationDate = key?.CreationDate } = entry
  return { version, createdAt: timeOf(RotationDate), ...(materialId !== undefined && { materialId }) }
}

export function timeOf(date: Date | undefined): number {
  return date?.getTime() ?? 0
}
