import { renderAcl } from '@coffer/s3-protocol'
import { assertMayBePublic, hasAcls, readAcl, refuseAcl } from '../bucket/bucket-acl.ts'
import { ownerOf } from '../bucket/bucket-owner.ts'
import { changeAttributes } from '../object/change-attributes.ts'
import { originOf } from '../object/event-origin.ts'
import { findObject, notOfMarker } from '../object/find-object.ts'
import { effectiveAcl } from '../object/object-acl.ts'
import { replicaChangeOf } from '../object/replica-request.ts'
import { emptyReply, xmlReply } from '../reply.ts'
import { bucketOf, type Operation } from './operation.ts'
import { versionHeader } from './response-headers.ts'

/** GetObjectAcl: where ACLs are off, everything is the bucket owner's. */
export const getObjectAcl: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  const { key, query } = request.parsed
  const named = findObject(context, bucket, key, query.get('versionId'), { withBody: false })
  const object = await named.catch(notOfMarker('GET'))
  const { owner, grants } = effectiveAcl(bucket, object.attributes.acl, await ownerOf(request, context, bucket))
  return xmlReply(renderAcl(owner, grants), versionHeader(bucket, object.version))
}

/** PutObjectAcl: its data, owner and date stay. AccessControlListNotSupported where ACLs are off. */
export const putObjectAcl: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  if (!hasAcls(bucket)) {
    await refuseAcl(request)
    return emptyReply(200)
  }
  const { key, query } = request.parsed
  const versionId = query.get('versionId')
  const bucketOwner = await ownerOf(request, context, bucket)
  const found = await findObject(context, bucket, key, versionId, { withBody: false }).catch(notOfMarker('PUT'))
  const { owner } = effectiveAcl(bucket, found.attributes.acl, bucketOwner)
  const grants = await readAcl(request, context, { owner, bucketOwner })
  assertMayBePublic(bucket, grants)
  const { version } = await changeAttributes(
    context,
    bucket,
    { key, versionId },
    {
      what: 'acl',
      ...replicaChangeOf(request, 's3:ReplicateObject'),
      event: { name: 's3:ObjectAcl:Put', origin: originOf(request) },
    },
    (attributes) => ({
      ...attributes,
      acl: { ownerAccountId: attributes.acl?.ownerAccountId ?? bucket.record.ownerAccountId, owner, grants },
    }),
  )
  return emptyReply(200, versionHeader(bucket, version))
}
