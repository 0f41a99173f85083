import type { Policy } from '@coffer/policy'
import {
  isS3Error,
  parseCreateBucketConfiguration,
  parseLegalHold,
  parseRetention,
  parseTaggingDocument,
  parseTagResource,
  S3Error,
  type Tags,
} from '@coffer/s3-protocol'
import { collectDocument, DOCUMENT_BYTES_MAX } from '../body/upload-payload.ts'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import { TAGS_BYTES_MAX } from '../bucket/bucket-tags.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { findUpload } from '../object/upload.ts'
import type { LocatedRequest } from '../requests.ts'
import { asksForBucketTags, asksForLocation, asksForLock, asksForRequestTags } from './condition-values.ts'
import { type LockAsked, lockInHeaders } from './lock-values.ts'
import { isAskedByPolicy } from './permission.ts'

/** Their lock was said when the upload began. */
const OF_UPLOAD: ReadonlySet<string> = new Set(['UploadPart', 'UploadPartCopy', 'CompleteMultipartUpload'])
/** Their lock is in the body. */
const OF_LOCK: ReadonlySet<string> = new Set(['PutObjectLegalHold', 'PutObjectRetention'])
/** Their lock is in the headers; of every other operation headers that say so do nothing. */
const OF_HEADERS: ReadonlySet<string> = new Set(['CopyObject', 'CreateMultipartUpload', 'PostObject', 'PutObject'])

/**
 * For policies that ask for what an object's lock, or the tags of it or a bucket, are to be, or where a bucket: the body of the request is read before it is decided where
 * only that says it, and the parts of an upload are as the upload.
 */
export async function withDocument(request: LocatedRequest, context: GatewayContext): Promise<LocatedRequest> {
  const { bucket, parsed } = request
  const { operation } = parsed
  const isAsked = (asks: (policy: Policy) => boolean) => isAskedByPolicy(request, bucket, asks)
  if (operation === 'CreateBucket') {
    if (!isAsked(asksForLocation) && !isAsked(asksForBucketTags)) return request
    const document = await collectDocument(request, DOCUMENT_BYTES_MAX)
    const { locationConstraint: location, tags } = read(() => parseCreateBucketConfiguration(document)) ?? {}
    return { ...request, document, ...(location !== undefined && { location }), ...(tags && { tagsAsked: tags }) }
  }
  if (operation === 'PutObjectTagging' && isAsked(asksForRequestTags)) {
    return await withTags(request, DOCUMENT_BYTES_MAX, (document) => parseTaggingDocument(document, 'object'))
  }
  if (operation === 'TagResource' && isAsked(asksForBucketTags)) {
    return await withTags(request, TAGS_BYTES_MAX, parseTagResource)
  }
  const isOfBody = OF_LOCK.has(operation)
  if (!isOfBody && !OF_UPLOAD.has(operation) && !OF_HEADERS.has(operation)) return request
  if (bucket === undefined || !isAsked(asksForLock)) return request
  if (!isOfBody) return { ...request, lock: await lockOf(request, context, bucket) }
  const document = await collectDocument(request, DOCUMENT_BYTES_MAX)
  const lock =
    operation === 'PutObjectLegalHold'
      ? { legalHold: read(() => parseLegalHold(document)) }
      : { retention: read(() => parseRetention(document, request.receivedAtMs)) }
  return { ...request, document, lock }
}

async function withTags(
  request: LocatedRequest,
  sizeBytesMax: number,
  parse: (document: Uint8Array) => Tags,
): Promise<LocatedRequest> {
  const document = await collectDocument(request, sizeBytesMax)
  const tagsAsked = read(() => parse(document))
  return { ...request, document, ...(tagsAsked && { tagsAsked }) }
}

async function lockOf(request: LocatedRequest, context: GatewayContext, bucket: OpenBucket): Promise<LockAsked> {
  const { operation, headers, key, query } = request.parsed
  if (!OF_UPLOAD.has(operation)) return read(() => lockInHeaders(headers, request.receivedAtMs)) ?? {}
  try {
    return (await findUpload(context, bucket, key, query.get('uploadId'))).attributes.lock ?? {}
  } catch (error) {
    if (isS3Error(error, 'NoSuchUpload')) return {}
    throw error
  }
}

/** What can't be understood the operation refuses, in its own words, for whoever may do it. */
function read<Said>(parse: () => Said): Said | undefined {
  try {
    return parse()
  } catch (error) {
    if (error instanceof S3Error) return undefined
    throw error
  }
}
