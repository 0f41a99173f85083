import type { MasterKeyUse } from '@coffer/contracts'
import type { ObjectAttributes } from '@coffer/object-record'
import { masterKeyNameOf } from '@coffer/s3-protocol'
import type { SealingTarget } from './job-requests.ts'

export interface NewSealing {
  readonly attributes: ObjectAttributes
  /** Undefined: the server's own, by a bucket key (SSE-S3). */
  readonly masterKey: MasterKeyUse | undefined
}

/** A job takes no layer of encryption away: DSSE-KMS does not become SSE-S3. */
export function isPossible(attributes: ObjectAttributes, target: SealingTarget | undefined): boolean {
  return attributes.sse !== 'DSSE-KMS' || target?.sse !== 'SSE-S3'
}

/**
 * How an object is to be held from now on; without a target as it is, under what is newest there. An object with two layers
 * keeps both: the target's master key is that of its inner one.
 */
export function newSealing(attributes: ObjectAttributes, target: SealingTarget | undefined): NewSealing {
  if (target?.sse === 'SSE-S3') {
    const { kms: _, ...rest } = attributes
    return { attributes: { ...rest, sse: 'SSE-S3' }, masterKey: undefined }
  }
  if (target?.sse === 'SSE-KMS') {
    const { keyName } = target
    const sse = attributes.sse === 'DSSE-KMS' ? 'DSSE-KMS' : 'SSE-KMS'
    const bucketKeyEnabled = target.bucketKeyEnabled && sse === 'SSE-KMS'
    const kms = { ...attributes.kms, keyId: keyName, bucketKeyEnabled }
    return { attributes: { ...attributes, sse, kms }, masterKey: { keyName, bucketKeyEnabled } }
  }
  const { kms } = attributes
  const masterKey = kms && { keyName: masterKeyNameOf(kms.keyId), bucketKeyEnabled: kms.bucketKeyEnabled }
  return { attributes, masterKey }
}
