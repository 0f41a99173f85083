import { renderListObjectsV2, s3Error } from '@coffer/s3-protocol'
import { ownerOf } from '../bucket/bucket-owner.ts'
import { xmlReply } from '../reply.ts'
import { encodingTypeOf, pageLimitOf } from './list-parameters.ts'
import { listEntries } from './listed-entries.ts'
import { bucketOf, type Operation } from './operation.ts'

/** ListObjectsV2. The continuation token is the place in the listing, in base64: opaque to clients, checked by us. */
export const listObjectsV2: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  const { query } = request.parsed
  const prefix = query.get('prefix') ?? ''
  const delimiter = query.get('delimiter') ?? ''
  const startAfter = query.get('start-after')
  const continuationToken = query.get('continuation-token')
  const maxKeys = pageLimitOf(request.parsed, 'max-keys')
  const encodingType = encodingTypeOf(request.parsed)
  const fetchOwner = query.get('fetch-owner') === 'true'
  const page = await context.metadata.listCurrent({
    bucketId: bucket.record.id,
    prefix,
    delimiter,
    // An empty token is the beginning: clients that keep it in a variable send it with their first request.
    afterKey: continuationToken ? openToken(continuationToken) : (startAfter ?? ''),
    limit: maxKeys,
  })
  const result = renderListObjectsV2({
    bucket: bucket.record.name,
    prefix,
    delimiter,
    startAfter,
    continuationToken,
    nextContinuationToken: page.next && makeToken(page.next.afterKey),
    maxKeys,
    encodingType,
    isTruncated: page.next !== undefined,
    entries: listEntries(
      context,
      bucket,
      page.entries,
      fetchOwner ? { owner: await ownerOf(request, context, bucket) } : {},
    ),
    commonPrefixes: page.commonPrefixes,
  })
  return xmlReply(result)
}

function makeToken(afterKey: string): string {
  return Buffer.from(afterKey).toString('base64url')
}

function openToken(token: string): string {
  const afterKey = Buffer.from(token, 'base64url').toString()
  if (makeToken(afterKey) === token) return afterKey
  throw s3Error('InvalidArgument', {
    message: 'The continuation token provided is incorrect',
    details: { ArgumentName: 'continuation-token' },
  })
}
