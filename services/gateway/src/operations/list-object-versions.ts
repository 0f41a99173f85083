import { renderListObjectVersions, s3Error } from '@coffer/s3-protocol'
import { ownerOf } from '../bucket/bucket-owner.ts'
import { externalVersionId, isVersionId } from '../object/version-id.ts'
import { xmlReply } from '../reply.ts'
import { encodingTypeOf, pageLimitOf, passedMarker } from './list-parameters.ts'
import { listEntries } from './listed-entries.ts'
import { bucketOf, type Operation } from './operation.ts'

/** ListObjectVersions: keys ascending, newest version first, delete markers among them. */
export const listObjectVersions: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  const { query } = request.parsed
  const prefix = query.get('prefix') ?? ''
  const delimiter = query.get('delimiter') ?? ''
  const keyMarker = query.get('key-marker') ?? ''
  const versionIdMarker = versionMarkerOf(query.get('version-id-marker'), keyMarker)
  const afterKey = passedMarker(keyMarker, prefix, delimiter)
  const maxKeys = pageLimitOf(request.parsed, 'max-keys')
  const encodingType = encodingTypeOf(request.parsed)
  const page = await context.metadata.listVersions({
    bucketId: bucket.record.id,
    prefix,
    delimiter,
    afterKey,
    afterVersionId: afterKey === keyMarker ? versionIdMarker : '',
    limit: maxKeys,
  })
  const entries = listEntries(context, bucket, page.entries, { owner: await ownerOf(request, context, bucket) })
  const result = renderListObjectVersions({
    bucket: bucket.record.name,
    prefix,
    delimiter,
    keyMarker,
    versionIdMarker,
    nextKeyMarker: page.next?.afterKey,
    nextVersionIdMarker: page.next?.afterVersionId || undefined,
    maxKeys,
    encodingType,
    isTruncated: page.next !== undefined,
    entries: page.entries.flatMap((version, index) => {
      const entry = entries[index]
      if (entry === undefined) return []
      const { isDeleteMarker, isLatest } = version
      return [{ ...entry, versionId: externalVersionId(version), isDeleteMarker, isLatest }]
    }),
    commonPrefixes: page.commonPrefixes,
  })
  return xmlReply(result)
}

function versionMarkerOf(text: string | undefined, keyMarker: string): string {
  if (text === undefined || text === '') return ''
  if (keyMarker === '') {
    throw s3Error('InvalidArgument', {
      message: 'A version-id marker cannot be specified without a key marker.',
      details: { ArgumentName: 'version-id-marker', ArgumentValue: text },
    })
  }
  if (text === 'null' || isVersionId(text)) return text
  throw s3Error('InvalidArgument', {
    message: 'Invalid version id specified',
    details: { ArgumentName: 'version-id-marker', ArgumentValue: text },
  })
}
