import { renderListObjects } from '@coffer/s3-protocol'
import { ownerOf } from '../bucket/bucket-owner.ts'
import { xmlReply } from '../reply.ts'
import { encodingTypeOf, pageLimitOf, passedMarker } from './list-parameters.ts'
import { listEntries } from './listed-entries.ts'
import { bucketOf, type Operation } from './operation.ts'

/** ListObjects (version 1). */
export const listObjects: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  const { query } = request.parsed
  const prefix = query.get('prefix') ?? ''
  const delimiter = query.get('delimiter') ?? ''
  const marker = query.get('marker') ?? ''
  const maxKeys = pageLimitOf(request.parsed, 'max-keys')
  const encodingType = encodingTypeOf(request.parsed)
  const page = await context.metadata.listCurrent({
    bucketId: bucket.record.id,
    prefix,
    delimiter,
    afterKey: passedMarker(marker, prefix, delimiter),
    limit: maxKeys,
  })
  const result = renderListObjects({
    bucket: bucket.record.name,
    prefix,
    delimiter,
    marker,
    maxKeys,
    encodingType,
    isTruncated: page.next !== undefined,
    // AWS gives NextMarker with a delimiter only; without one the last key is the marker.
    nextMarker: delimiter !== '' ? page.next?.afterKey : undefined,
    entries: listEntries(context, bucket, page.entries, { owner: await ownerOf(request, context, bucket) }),
    commonPrefixes: page.commonPrefixes,
  })
  return xmlReply(result)
}
