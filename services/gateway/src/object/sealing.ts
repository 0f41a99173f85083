import { type DataAlgorithm, DUAL_LAYER_ALGORITHM } from '@coffer/crypto-core'
import { SERVER_KEY_ID } from '@coffer/kms'
import type { KmsAttributes } from '@coffer/object-record'
import {
  isKmsAlgorithm,
  KMS_ALGORITHMS,
  masterKeyNameOf,
  type ParsedRequest,
  parseSseRequest,
  type SseRequest,
  s3Error,
} from '@coffer/s3-protocol'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { GatewayContext } from '../gateway-context.ts'

/** How the key of a new object is sealed: decided, nothing left to a default. */
export type Sealing =
  | { readonly kind: 'SSE-S3' }
  | Extract<SseRequest, { kind: 'SSE-C' }>
  | { readonly kind: 'SSE-KMS' | 'DSSE-KMS'; readonly kms: KmsAttributes }

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
  if (request.kind === 'SSE-KMS' || request.kind === 'DSSE-KMS') {
    return kmsSealing(request.kind, {
      keyId: request.keyId ?? SERVER_KEY_ID,
      bucketKeyEnabled: request.bucketKeyEnabled ?? encryption?.bucketKeyEnabled ?? false,
      ...(request.encryptionContext && { encryptionContext: request.encryptionContext }),
    })
  }
  if (request.kind === 'SSE-S3' || !isKmsAlgorithm(encryption?.algorithm)) return { kind: 'SSE-S3' }
  return kmsSealing(KMS_ALGORITHMS[encryption.algorithm], {
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

/** DSSE-KMS has no bucket keys (S3 User Guide, "Using dual-layer server-side encryption with AWS KMS keys"). */
function kmsSealing(kind: 'SSE-KMS' | 'DSSE-KMS', kms: KmsAttributes): Sealing {
  masterKeyNameOf(kms.keyId)
  return { kind, kms: { ...kms, bucketKeyEnabled: kms.bucketKeyEnabled && kind === 'SSE-KMS' } }
}

/** The master key that it is to be under, with SSE-KMS and DSSE-KMS. */
export function kmsOf(sealing: Sealing): KmsAttributes | undefined {
  return 'kms' in sealing ? sealing.kms : undefined
}

/** What the data of a new object is sealed with. */
export function dataAlgorithmOf(sealing: Sealing, { options }: Pick<GatewayContext, 'options'>): DataAlgorithm {
  return sealing.kind === 'DSSE-KMS' ? DUAL_LAYER_ALGORITHM : options.dataAlgorithm
}
