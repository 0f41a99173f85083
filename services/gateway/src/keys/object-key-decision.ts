import { isCofferError } from '@coffer/errors'
import type { KmsAttributes } from '@coffer/object-record'
import type { ContextValues, Decision } from '@coffer/policy'
import { masterKeyNameOf } from '@coffer/s3-protocol'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import { resourceOf } from '../steps/s3-actions.ts'
import { decideWithGrants } from './grant-decision.ts'
import type { KeyUseAsked } from './key-decision.ts'
import type { KeyGuards } from './key-guards.ts'

export type ObjectKeyAction = 'kms:GenerateDataKey' | 'kms:Decrypt'

export interface ObjectUnderKey {
  readonly bucket: OpenBucket
  readonly key: string
  /** Absent: no master key that anybody has to be let use. */
  readonly kms: KmsAttributes | undefined
}

export interface DecidedOnKey {
  readonly decision: Decision
  readonly keyArn: string
  /** Whose the key is. */
  readonly keyAccountId: string
}

interface Asked extends Pick<KeyUseAsked, 'principal' | 'policies'> {
  readonly action: ObjectKeyAction
  /** Of a key that is this account's. */
  readonly values: (ownerAccountId: string) => ContextValues
}

/**
 * Whether whoever asks for an object may also use the master key that it is under (S3 User Guide, "Using server-side encryption
 * with AWS KMS keys": kms:GenerateDataKey to write, kms:Decrypt to read). S3 asks in their name and adds the ARN of the object to
 * the encryption context, or of the bucket with a bucket key. Undefined: nothing to ask, as of other kinds of encryption.
 */
export async function decideOnObjectKey(
  { values, ...asked }: Asked,
  { bucket, key, kms }: ObjectUnderKey,
  { guards, region }: { readonly guards: KeyGuards; readonly region: string },
): Promise<DecidedOnKey | undefined> {
  if (kms === undefined) return undefined
  const guard = await guards.find(masterKeyNameOf(kms.keyId)).catch((error: unknown) => {
    // A connector that is gone: what needs the key says so, in its own words. Whatever else went wrong, nobody has leave by it.
    if (isCofferError(error, 'KMS_CONNECTOR_NOT_FOUND')) return undefined
    throw error
  })
  if (guard === undefined || guard.isServerKey) return undefined
  const arn = resourceOf(bucket.record.name, kms.bucketKeyEnabled ? '' : key)
  const use = {
    ...asked,
    encryptionContext: { ...kms.encryptionContext, 'aws:s3:arn': arn },
    viaService: `s3.${region}.amazonaws.com`,
    values: values(guard.ownerAccountId),
  }
  const decision = await decideWithGrants(guard, use, guards)
  return { decision, keyArn: guard.arn, keyAccountId: guard.ownerAccountId }
}
