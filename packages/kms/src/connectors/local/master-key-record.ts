import { insecureExportKeyBytes, Secret, unwrapSecret, wrapSecret } from '@coffer/crypto-core'
import { z } from 'zod'
import { kmsError } from '../../errors.ts'
import type { KeyState } from '../../kms-connector.ts'
import type { DomainKeyVersion } from './domain-key-record.ts'

const KEY_BYTES = 32
const MASTER_KEY_PURPOSE = 'kms master key record'

/** What is known of a master key; version n is at index n - 1. */
export interface MasterKey {
  readonly keyId: string
  readonly state: KeyState
  readonly createdAt: number
  readonly deletionAt?: number
  readonly versions: readonly { readonly createdAt: number }[]
}

/** With its versions' bytes: none of a key that is destroyed. */
export interface OpenedMasterKey {
  readonly key: MasterKey
  readonly secrets: readonly Secret[]
}

const TimeMs = z.int().min(0)

/** docs/encryption-format.md, "Master keys". Without `sealed`: an id that is taken while its key is being made. */
const MasterKeyRecord = z.union([
  z.strictObject({
    format: z.literal(2),
    domainKeyVersion: z.int().min(1),
    keyId: z.string(),
    state: z.enum(['enabled', 'disabled', 'pending-deletion', 'destroyed']),
    createdAt: TimeMs,
    deletionAt: TimeMs.optional(),
    versions: z.array(z.strictObject({ createdAt: TimeMs })).min(1),
    sealed: z.base64().transform((text) => Buffer.from(text, 'base64')),
  }),
  z.strictObject({
    format: z.literal(2),
    domainKeyVersion: z.int().min(1),
    keyId: z.string(),
    sealed: z.undefined().optional(),
  }),
])

export type MasterKeyRecord = z.infer<typeof MasterKeyRecord>
export type SealedMasterKey = Extract<MasterKeyRecord, { readonly state: KeyState }>

/** KMS_RECORD_DAMAGED: not a record of this format, or of another key. What it says is true once it is opened. */
export function decodeMasterKeyRecord(value: Uint8Array, keyId: string): MasterKeyRecord {
  let record: MasterKeyRecord
  try {
    record = MasterKeyRecord.parse(JSON.parse(Buffer.from(value).toString()))
  } catch (cause) {
    throw kmsError('KMS_RECORD_DAMAGED', { keyId }, { cause })
  }
  if (record.keyId !== keyId) throw kmsError('KMS_RECORD_DAMAGED', { keyId })
  return record
}

/** The whole record under the domain key: its versions are sealed, and everything else is authenticated with them. */
export function sealMasterKey({ key, secrets }: OpenedMasterKey, { version, key: domainKey }: DomainKeyVersion) {
  const joined = Secret.take(Buffer.concat(secrets.map(insecureExportKeyBytes)))
  try {
    const sealed = Buffer.from(wrapSecret(joined, domainKey, MASTER_KEY_PURPOSE, contextOf(key)))
    const record = { format: 2, domainKeyVersion: version, ...key, sealed: sealed.toString('base64') }
    return Buffer.from(JSON.stringify(record))
  } finally {
    joined.wipe()
  }
}

/** KMS_RECORD_DAMAGED: any part of it was changed, or its number of versions. */
export function openMasterKey(record: SealedMasterKey, { key: domainKey }: DomainKeyVersion): OpenedMasterKey {
  const { keyId, state, createdAt, deletionAt, versions, sealed } = record
  const key = { keyId, state, createdAt, versions, ...(deletionAt !== undefined && { deletionAt }) }
  let joined: Secret
  try {
    joined = unwrapSecret(sealed, domainKey, MASTER_KEY_PURPOSE, contextOf(key))
  } catch (cause) {
    throw kmsError('KMS_RECORD_DAMAGED', { keyId }, { cause })
  }
  try {
    const count = state === 'destroyed' ? 0 : versions.length
    if (joined.lengthBytes !== count * KEY_BYTES) throw kmsError('KMS_RECORD_DAMAGED', { keyId })
    const bytes = insecureExportKeyBytes(joined)
    const secrets = Array.from({ length: count }, (_version, index) =>
      Secret.copyOf(bytes.subarray(index * KEY_BYTES, (index + 1) * KEY_BYTES)),
    )
    return { key, secrets }
  } finally {
    joined.wipe()
  }
}

/** Takes an id, so that a key is made in a record which is already there: see `reseal-master-keys.ts`. */
export function encodeReservation(keyId: string, domainKeyVersion: number): Uint8Array {
  return Buffer.from(JSON.stringify({ format: 2, domainKeyVersion, keyId }))
}

function contextOf({ keyId, state, createdAt, deletionAt, versions }: MasterKey): Record<string, string> {
  return {
    keyId,
    state,
    createdAt: String(createdAt),
    deletionAt: String(deletionAt ?? ''),
    versions: versions.map((version) => version.createdAt).join(' '),
  }
}
