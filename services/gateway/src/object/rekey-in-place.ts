import { parseCopySource, s3Error } from '@coffer/s3-protocol'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { GatewayContext } from '../gateway-context.ts'
import type { AuthorizedRequest } from '../requests.ts'
import { type CopySource, findCopySource } from './copy-source.ts'
import { replaceCustomerKey } from './replace-customer-key.ts'
import type { Sealing } from './sealing.ts'
import { resolveCondition, writeConditionOf } from './write-condition.ts'

/** Of replacements by others of the same object at the same time. */
const ATTEMPTS_MAX = 8
/** With one of these a copy changes more than the key. */
const CHANGING_HEADERS = [
  'x-amz-checksum-algorithm',
  'x-amz-metadata-directive',
  'x-amz-storage-class',
  'x-amz-tagging',
  'x-amz-tagging-directive',
  'x-amz-website-redirect-location',
]

/**
 * A copy of an object onto itself that only replaces the client's key (SSE-C): its object key is sealed under the new one, and
 * no data moves. Undefined: it is another copy. Where versioning is enabled a copy is a new version, which needs data of its own.
 */
export async function rekeyInPlace(
  request: AuthorizedRequest,
  context: GatewayContext,
  bucket: OpenBucket,
  sealing: Sealing,
): Promise<CopySource | undefined> {
  if (sealing.kind !== 'SSE-C' || !mayRekey(request, bucket)) return undefined
  const { key, headers } = request.parsed
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    const source = await findCopySource(request, context)
    const { attributes, version } = source.object
    // Without a word on it a copy is of the class STANDARD.
    const isStandard = attributes.storageClass === undefined
    if (attributes.sse !== 'SSE-C' || !version.isNull || !isStandard) return undefined
    const condition = writeConditionOf(headers)
    if (condition) await resolveCondition(context, bucket, key, condition)
    if (await replaceCustomerKey(context, bucket, source.object, source.sse, sealing)) return source
  }
  throw s3Error('OperationAborted')
}

function mayRekey({ parsed }: AuthorizedRequest, bucket: OpenBucket): boolean {
  const source = parseCopySource(parsed.headers['x-amz-copy-source'] ?? '')
  const ontoItself = source.bucket === bucket.record.name && source.key === parsed.key && source.versionId === undefined
  const changesMore = CHANGING_HEADERS.some((name) => parsed.headers[name] !== undefined)
  return ontoItself && !changesMore && bucket.record.versioning !== 'enabled'
}
