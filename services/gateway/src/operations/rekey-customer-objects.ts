import type { PlainStream } from '@coffer/object-body'
import { parseSseRequest, S3Error, s3Error } from '@coffer/s3-protocol'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import { toS3Error } from '../errors-to-s3.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { findObject } from '../object/find-object.ts'
import { openKeyOf } from '../object/read-object.ts'
import { type CustomerKey, replaceCustomerKey } from '../object/replace-customer-key.ts'
import { bucketOf, type Operation } from './operation.ts'

/** Versions of a page, and so between two lines of progress. */
const PAGE = 500
/** Under way at once: their commits share an fdatasync. */
const CONCURRENT_MAX = 64
/** Of replacements by others of the same object at the same time. */
const ATTEMPTS_MAX = 8
const NAMED_FAILURES_MAX = 100
const HEADERS = { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' }

type Outcome = 'rekeyed' | 'otherKey' | 'notCustomer'

interface Rekey {
  readonly bucket: OpenBucket
  readonly old: CustomerKey
  readonly next: CustomerKey
  readonly dryRun: boolean
}

/**
 * Replaces the client's key of every SSE-C version in a bucket or under a prefix: an operation of Coffer's own, as S3 has none.
 * Old and new key come in one request (the headers of a copy) and are kept nowhere. No data moves; versions, dates and ETags
 * stay. Answers with a line of JSON for each page and a last one with `done`; cut short, it finds the rest when it is repeated.
 */
export const rekeyCustomerObjects: Operation = async (request, context) => {
  const { headers, secure, query } = request.parsed
  const old = parseSseRequest(headers, secure, 'copy-source')
  const next = parseSseRequest(headers, secure, 'write')
  if (old.kind !== 'SSE-C' || next.kind !== 'SSE-C') {
    throw s3Error('InvalidRequest', {
      message:
        'Give the old key in x-amz-copy-source-server-side-encryption-customer-* and the new one in x-amz-server-side-encryption-customer-*.',
    })
  }
  if (old.keyMd5 === next.keyMd5) throw s3Error('InvalidRequest', { message: 'The old and the new key are the same.' })
  const rekey = { bucket: bucketOf(request), old, next, dryRun: query.has('dry-run') }
  return { status: 200, headers: HEADERS, stream: lines(context, rekey, query.get('prefix') ?? '') }
}

async function* lines(context: GatewayContext, rekey: Rekey, prefix: string): PlainStream {
  const counts = { rekeyed: 0, otherKey: 0, notCustomer: 0, failed: 0 }
  const failures: { key: string; versionId: string; code: string }[] = []
  const line = (more: object = {}) => [Buffer.from(`${JSON.stringify({ ...counts, ...more })}\n`)]
  let after = { afterKey: '', afterVersionId: '' }
  for (;;) {
    const bucketId = rekey.bucket.record.id
    const page = await context.metadata.listVersions({ bucketId, prefix, delimiter: '', ...after, limit: PAGE })
    const versions = page.entries.filter(({ isDeleteMarker }) => !isDeleteMarker)
    for (let start = 0; start < versions.length; start += CONCURRENT_MAX) {
      const some = versions.slice(start, start + CONCURRENT_MAX)
      const outcomes = await Promise.all(some.map((version) => tryOne(context, rekey, version)))
      for (const [index, { key, versionId }] of some.entries()) {
        const outcome = outcomes[index]
        if (typeof outcome === 'string') counts[outcome] += 1
        else if (outcome !== undefined) {
          counts.failed += 1
          if (failures.length < NAMED_FAILURES_MAX) failures.push({ key, versionId, ...outcome })
        }
      }
    }
    if (page.next === undefined) break
    after = page.next
    yield line()
  }
  yield line({ done: true, failures })
}

/** Undefined: deleted meanwhile. */
async function tryOne(
  context: GatewayContext,
  rekey: Rekey,
  version: { readonly key: string; readonly versionId: string },
): Promise<Outcome | { code: string } | undefined> {
  try {
    return await one(context, rekey, version)
  } catch (error) {
    const { code } = error instanceof S3Error ? error : toS3Error(error, context.options.logger)
    return code === 'NoSuchKey' || code === 'NoSuchVersion' ? undefined : { code }
  }
}

async function one(
  context: GatewayContext,
  { bucket, old, next, dryRun }: Rekey,
  { key, versionId }: { readonly key: string; readonly versionId: string },
): Promise<Outcome> {
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    const object = await findObject(context, bucket, key, versionId, { withBody: false })
    if (object.attributes.sse !== 'SSE-C') return 'notCustomer'
    try {
      const opened = dryRun
        ? await canOpen(context, bucket, object, old)
        : await replaceCustomerKey(context, bucket, object, old, next)
      if (opened) return 'rekeyed'
    } catch (error) {
      if (error instanceof S3Error && error.code === 'AccessDenied') return 'otherKey'
      throw error
    }
  }
  throw s3Error('OperationAborted')
}

async function canOpen(
  context: GatewayContext,
  bucket: OpenBucket,
  object: Parameters<typeof openKeyOf>[2],
  old: CustomerKey,
): Promise<true> {
  const objectKey = await openKeyOf(context, bucket, object, old)
  objectKey.wipe()
  return true
}
