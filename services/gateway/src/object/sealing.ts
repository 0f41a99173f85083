import { SERVER_KEY_ID } from '@coffer/kms'
import type { KmsAttributes } from '@coffer/object-record'
import { masterKeyNameOf, type ParsedRequest, parseSseRequest, type SseRequest, s3Error } from '@coffer/s3-protocol'
import type { OpenBucket } from '../bucket/bucket-cache.ts'

/** How the key of a new object is sealed: decided, nothing left to a default. */
export type Sealing =
  | { readonly kind: 'SSE-S3' }
  | Extract<SseRequest, { kind: 'SSE-C' }>
  | { readonly kind: 'SSE-KMS'; readonly kms: KmsAttributes }

/**
 * What the request says of encryption, else what its bucket says, else SSE-S3. AccessDenied for a kind that the bucket blocks
 * (S3 API, BlockedEncryptionTypes).
 */
export function sealingOf({ headers, secure }: Pick<ParsedRequest, 'headers' | 'secure'>, bucket: OpenBucket): Sealing {
  const request = parseSseRequest(headers, secure, 'write')
  const { encryption } = bucket.config
  if (request.kind === 'SSE-C') {
    assertNotBlocked(bucket)
    return request
  }
  if (request.kind === 'SSE-KMS') {
    return kmsSealing({
      keyId: request.keyId ?? SERVER_KEY_ID,
      bucketKeyEnabled: request.bucketKeyEnabled ?? encryption?.bucketKeyEnabled ?? false,
      ...(request.encryptionContext && { encryptionContext: request.encryptionContext }),
    })
  }
  if (request.kind === 'SSE-S3' || encryption?.algorithm !== 'aws:kms') return { kind: 'SSE-S3' }
  return kmsSealing({
    keyId: encryption.kmsKeyId ?? SERVER_KEY_ID,
    bucketKeyEnabled: encryption.bucketKeyEnabled,
  })
}

function assertNotBlocked(bucket: OpenBucket): void {
  if (bucket.config.encryption?.blocked?.includes('SSE-C') !== true) return
  throw s3Error('AccessDenied', {
    message: 'Server side encryption with customer provided keys (SSE-C) is blocked for this bucket.',
  })
}

function kmsSealing(kms: KmsAttributes): Sealing {
  masterKeyNameOf(kms.keyId)
  return { kind: 'SSE-KMS', kms }
}
