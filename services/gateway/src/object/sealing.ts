import { type DataAlgorithm, DUAL_LAYER_ALGORITHM } from '@coffer/crypto-core'
import { isAliasName, SERVER_KEY_ID } from '@coffer/kms'
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
import type { KeyGuards } from '../keys/key-guards.ts'
import { assertKeyOfRegion, requestedKeyId } from '../keys/named-in-s3.ts'
import type { AuthorizedRequest } from '../requests.ts'

const KEY_ID_HEADER = 'x-amz-server-side-encryption-aws-kms-key-id'

/** How the key of a new object is sealed: decided, nothing left to a default. */
export type Sealing =
  | { readonly kind: 'SSE-S3' }
  | Extract<SseRequest, { kind: 'SSE-C' }>
  | { readonly kind: 'SSE-KMS' | 'DSSE-KMS'; readonly kms: KmsAttributes }

/**
 * What the request says of encryption, else what its bucket says, else SSE-S3. AccessDenied for a kind that the bucket blocks
 * (S3 API, BlockedEncryptionTypes).
 */
function sealingOf({ headers, secure }: Pick<ParsedRequest, 'headers' | 'secure'>, bucket: OpenBucket): Sealing {
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

interface SealingRequest extends Pick<AuthorizedRequest, 'principal'> {
  readonly parsed: Pick<ParsedRequest, 'headers' | 'secure'>
}

/**
 * As `sealingOf`, its master key found by the name that the request, in its account, or the bucket, in that of its owner, gives it: an alias of a
 * bucket's default is never that of who happens to write. KMS.NotFoundException, AccessDenied.
 */
export async function sealingFor(request: SealingRequest, bucket: OpenBucket, guards: KeyGuards): Promise<Sealing> {
  const sealing = sealingOf(request.parsed, bucket)
  if (!('kms' in sealing)) return sealing
  if (request.parsed.headers[KEY_ID_HEADER] === undefined) return withDefaultKeyFound(sealing, bucket, guards)
  assertKeyOfRegion(sealing.kms.keyId, guards)
  const { principal } = request
  const accountId = principal === 'anonymous' ? bucket.record.ownerAccountId : principal.accountId
  return withKeyId(sealing, await requestedKeyId(sealing.kms.keyId, accountId, guards))
}

/** Of what nobody asks for: the server writes into the bucket. The default names no key of another account then (AccessDenied). */
export async function defaultSealing(bucket: OpenBucket, guards: KeyGuards): Promise<Sealing> {
  const sealing = await withDefaultKeyFound(sealingOf({ headers: {}, secure: true }, bucket), bucket, guards)
  if (!('kms' in sealing)) return sealing
  const { ownerAccountId, isServerKey } = await guards.find(masterKeyNameOf(sealing.kms.keyId))
  if (isServerKey || ownerAccountId === bucket.record.ownerAccountId) return sealing
  throw s3Error('AccessDenied')
}

/** Ids and ARNs stay as they were taken by PutBucketEncryption. */
async function withDefaultKeyFound(sealing: Sealing, { record }: OpenBucket, guards: KeyGuards): Promise<Sealing> {
  if (!('kms' in sealing) || !isAliasName(masterKeyNameOf(sealing.kms.keyId))) return sealing
  return withKeyId(sealing, await requestedKeyId(sealing.kms.keyId, record.ownerAccountId, guards))
}

function withKeyId(sealing: Extract<Sealing, { kms: KmsAttributes }>, keyId: string): Sealing {
  return { ...sealing, kms: { ...sealing.kms, keyId } }
}

/** The master key that it is to be under, with SSE-KMS and DSSE-KMS. */
export function kmsOf(sealing: Sealing): KmsAttributes | undefined {
  return 'kms' in sealing ? sealing.kms : undefined
}

/** What the data of a new object is sealed with. */
export function dataAlgorithmOf(sealing: Sealing, { options }: Pick<GatewayContext, 'options'>): DataAlgorithm {
  return sealing.kind === 'DSSE-KMS' ? DUAL_LAYER_ALGORITHM : options.dataAlgorithm
}
