import {
  assertAclIsOwners,
  parseOwnershipControls,
  renderOwnersAcl,
  renderOwnershipControls,
  s3Error,
} from '@coffer/s3-protocol'
import { collectDocument } from '../body/upload-payload.ts'
import { ownerOf } from '../bucket/bucket-owner.ts'
import { findObject } from '../object/find-object.ts'
import { emptyReply, xmlReply } from '../reply.ts'
import { bucketOf, type Operation } from './operation.ts'
import { versionHeader } from './response-headers.ts'

/*
 * Everything in a bucket is its owner's, as with BucketOwnerEnforced, S3's default since 2023: access control lists say so, and
 * can't be changed. Policies are the way to let in others.
 */

const DOCUMENT_BYTES_MAX = 64 * 1024
const OWNERSHIP = 'BucketOwnerEnforced'

/** GetBucketAcl. */
export const getBucketAcl: Operation = async (request, context) =>
  xmlReply(renderOwnersAcl(await ownerOf(request, context, bucketOf(request))))

/** GetObjectAcl. */
export const getObjectAcl: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  const { key, query } = request.parsed
  const object = await findObject(context, bucket, key, query.get('versionId'), { withBody: false })
  return xmlReply(renderOwnersAcl(await ownerOf(request, context, bucket)), versionHeader(bucket, object.version))
}

/** PutBucketAcl, PutObjectAcl: only what changes nothing. AccessControlListNotSupported. */
export const putAcl: Operation = async (request) => {
  const document = await collectDocument(request, DOCUMENT_BYTES_MAX)
  if (document.length > 0 || request.parsed.headers['x-amz-acl'] === undefined) {
    throw s3Error('AccessControlListNotSupported')
  }
  assertAclIsOwners(request.parsed.headers)
  return emptyReply(200)
}

/** GetBucketOwnershipControls. */
export const getBucketOwnershipControls: Operation = async () => xmlReply(renderOwnershipControls(OWNERSHIP))

/** PutBucketOwnershipControls: the one that there is. */
export const putBucketOwnershipControls: Operation = async (request) => {
  const wanted = parseOwnershipControls(await collectDocument(request, DOCUMENT_BYTES_MAX))
  if (wanted === OWNERSHIP) return emptyReply(200)
  throw s3Error('NotImplemented', {
    message: `${wanted} is not available on this server: objects are their bucket's owner's.`,
  })
}
