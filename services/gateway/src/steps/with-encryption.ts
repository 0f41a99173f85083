import { isKmsAlgorithm, isS3Error, masterKeyNameOf, parseRename } from '@coffer/s3-protocol'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { assertMayNameKey } from '../keys/assert-may-use-key.ts'
import { unlessNotFound } from '../keys/key-guards.ts'
import { findNamedKey } from '../keys/named-in-s3.ts'
import { findCurrentObject } from '../object/find-object.ts'
import { kmsOf, sealingFor } from '../object/sealing.ts'
import { sseHeaders } from '../object/sse-headers.ts'
import { findUpload } from '../object/upload.ts'
import type { LocatedRequest } from '../requests.ts'
import { asksForEncryption } from './condition-values.ts'
import { isAskedByPolicy } from './permission.ts'

type Encryption = Readonly<Record<string, string>>

const ALGORITHM = 'x-amz-server-side-encryption'
const KEY_ID = 'x-amz-server-side-encryption-aws-kms-key-id'
/** Their encryption was said when the upload began. */
const OF_UPLOAD: ReadonlySet<string> = new Set(['UploadPart', 'UploadPartCopy', 'CompleteMultipartUpload'])

/**
 * For policies that ask how an object is to be encrypted: the parts of an upload are as the upload, what is renamed as it is, and a master key is told by its
 * ARN, however the request names it (S3 User Guide, "Specifying server-side encryption with AWS KMS": a policy names the key so).
 */
export async function withEncryption(request: LocatedRequest, context: GatewayContext): Promise<LocatedRequest> {
  const { bucket, parsed } = request
  // What the headers say, conditions find there.
  const isFound = OF_UPLOAD.has(parsed.operation) || parsed.operation === 'RenameObject'
  if (!isFound && parsed.headers[KEY_ID] === undefined) return request
  if (bucket === undefined || !isAskedByPolicy(request, bucket, asksForEncryption)) return request
  const said = await encryptionOf(request, context, bucket)
  const keyId = said[KEY_ID]
  if (keyId === undefined) return { ...request, encryption: said }
  const arn = isFound ? await storedKeyArn(keyId, context) : await namedKeyArn(keyId, request, bucket, context)
  return { ...request, encryption: { ...said, [KEY_ID]: arn } }
}

async function encryptionOf(request: LocatedRequest, context: GatewayContext, bucket: OpenBucket): Promise<Encryption> {
  const { operation, headers } = request.parsed
  if (OF_UPLOAD.has(operation)) return encryptionOfUpload(request, context, bucket)
  return operation === 'RenameObject' ? encryptionOfRenamed(request, context, bucket) : definedOnly(headers)
}

/** A rename changes nothing of how an object is encrypted. */
async function encryptionOfRenamed(
  { parsed: { headers } }: LocatedRequest,
  context: GatewayContext,
  bucket: OpenBucket,
): Promise<Encryption> {
  const source = await findCurrentObject(context, bucket, parseRename(headers).sourceKey)
  return source ? sseHeaders(source.attributes, { kind: source.attributes.sse }) : {}
}

async function encryptionOfUpload(
  { parsed: { key, query } }: LocatedRequest,
  context: GatewayContext,
  bucket: OpenBucket,
): Promise<Encryption> {
  try {
    const { attributes } = await findUpload(context, bucket, key, query.get('uploadId'))
    return sseHeaders(attributes, { kind: attributes.sse })
  } catch (error) {
    if (isS3Error(error, 'NoSuchUpload')) return {}
    throw error
  }
}

/** By the name that it has in the request. What names no key stays as it is: the operation says so, to whoever may do it. */
async function namedKeyArn(
  keyId: string,
  request: LocatedRequest,
  bucket: OpenBucket,
  context: GatewayContext,
): Promise<string> {
  const { principal, parsed } = request
  const { keyGuards } = context
  const accountId = principal === 'anonymous' ? bucket.record.ownerAccountId : principal.accountId
  try {
    const { guard, isThere } = await findNamedKey(keyId, accountId, keyGuards)
    if (guard.ownerAccountId !== accountId) {
      // Nothing is written under it.
      if (!isKmsAlgorithm(parsed.headers[ALGORITHM])) return keyId
      const kms = kmsOf(await sealingFor(request, bucket, keyGuards))
      await assertMayNameKey(request, context, { bucket, key: parsed.key, kms })
    }
    return isThere ? guard.arn : keyId
  } catch (error) {
    if (isS3Error(error, 'KMS.NotFoundException')) return keyId
    throw error
  }
}

/** By the name that an upload or object keeps. */
async function storedKeyArn(keyId: string, { keyGuards }: GatewayContext): Promise<string> {
  const guard = await keyGuards.find(masterKeyNameOf(keyId)).catch(unlessNotFound)
  return guard?.arn ?? keyId
}

function definedOnly(headers: Readonly<Record<string, string | undefined>>): Encryption {
  return Object.fromEntries(Object.entries(headers).filter((pair): pair is [string, string] => pair[1] !== undefined))
}
