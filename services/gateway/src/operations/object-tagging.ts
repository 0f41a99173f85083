import { type ObjectEventName, parseTaggingDocument, renderTagging, type Tags, withTags } from '@coffer/s3-protocol'
import { collectDocument, DOCUMENT_BYTES_MAX } from '../body/upload-payload.ts'
import { changeAttributes } from '../object/change-attributes.ts'
import { originOf } from '../object/event-origin.ts'
import { findObject, notOfMarker } from '../object/find-object.ts'
import { replicaChangeOf } from '../object/replica-request.ts'
import { emptyReply, type Reply, xmlReply } from '../reply.ts'
import { bucketOf, type Operation } from './operation.ts'
import { versionHeader } from './response-headers.ts'

/** GetObjectTagging: of the current version, or the one that is named. No tags are an empty set. */
export const getObjectTagging: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  const { key, query } = request.parsed
  const object = await findObject(context, bucket, key, query.get('versionId'), { withBody: false }).catch(
    notOfMarker('GET'),
  )
  return xmlReply(renderTagging(object.attributes.headers.tags ?? {}), versionHeader(bucket, object.version))
}

/** PutObjectTagging: replaces all tags of a version; its data and its date stay. */
export const putObjectTagging: Operation = async (request, context) => {
  const tags = parseTaggingDocument(await collectDocument(request, DOCUMENT_BYTES_MAX), 'object')
  return emptyReply(200, await setTags(request, context, tags, 's3:ObjectTagging:Put'))
}

/** DeleteObjectTagging. */
export const deleteObjectTagging: Operation = async (request, context) =>
  emptyReply(204, await setTags(request, context, {}, 's3:ObjectTagging:Delete'))

async function setTags(
  ...[request, context, tags, eventName]: [...Parameters<Operation>, Tags, ObjectEventName]
): Promise<Reply['headers']> {
  const bucket = bucketOf(request)
  const { key, query } = request.parsed
  const name = { key, versionId: query.get('versionId') }
  const { version } = await changeAttributes(
    context,
    bucket,
    name,
    {
      what: 'tags',
      ...replicaChangeOf(request, 's3:ReplicateTags'),
      event: { name: eventName, origin: originOf(request) },
    },
    (attributes) => ({ ...attributes, headers: withTags(attributes.headers, tags) }),
  ).catch(notOfMarker(request.parsed.method))
  return versionHeader(bucket, version)
}
