import type { VersionId } from '@coffer/metadata-store'
import { etagOf } from '@coffer/object-record'
import { invalidArgument, matchesEtag, parseHttpDate, s3Error } from '@coffer/s3-protocol'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { type FoundObject, findCurrentObject } from './find-object.ts'

/** If-Match and If-None-Match of a write (S3 API, "conditional writes"). */
export interface WriteCondition {
  readonly ifMatch?: string | undefined
  readonly ifNoneMatch?: string | undefined
  /** Of deletions only, as is the next: they hold as well where no object is. */
  readonly ifMatchSizeBytes?: number | undefined
  /** In whole seconds. */
  readonly ifMatchModifiedAtMs?: number | undefined
  /** Of renames only, as is the next: there has to be an object, modified since. */
  readonly ifModifiedSinceMs?: number | undefined
  readonly ifUnmodifiedSinceMs?: number | undefined
  /** Of the end of an upload only: since then nothing may have been written under the name, or deleted there. */
  readonly uploadBegunAtMs?: number | undefined
}

export function writeConditionOf(headers: Readonly<Record<string, string | undefined>>): WriteCondition | undefined {
  const condition = { ifMatch: headers['if-match'], ifNoneMatch: headers['if-none-match'] }
  return condition.ifMatch === undefined && condition.ifNoneMatch === undefined ? undefined : condition
}

/** The same of the end of a multipart upload that was begun then. */
export function uploadConditionOf(
  headers: Readonly<Record<string, string | undefined>>,
  uploadBegunAtMs: number,
): WriteCondition | undefined {
  const condition = writeConditionOf(headers)
  return condition && { ...condition, uploadBegunAtMs }
}

/** The same of a deletion, with x-amz-if-match-size and x-amz-if-match-last-modified-time (S3 API, DeleteObject). */
export function deleteConditionOf(headers: Readonly<Record<string, string | undefined>>): WriteCondition | undefined {
  const size = headers['x-amz-if-match-size']
  const modified = headers['x-amz-if-match-last-modified-time']
  const ifMatchModifiedAtMs = modified === undefined ? undefined : parseHttpDate(modified)
  if (modified !== undefined && ifMatchModifiedAtMs === undefined) {
    throw invalidArgument('x-amz-if-match-last-modified-time', modified, 'The time is not valid.')
  }
  if (size !== undefined && !/^\d{1,15}$/.test(size)) {
    throw invalidArgument('x-amz-if-match-size', size, 'The size is not valid.')
  }
  const condition = writeConditionOf(headers)
  if (size === undefined && modified === undefined) return condition
  return { ...condition, ifMatchSizeBytes: size === undefined ? undefined : Number(size), ifMatchModifiedAtMs }
}

/** The same of a rename, with If-Modified-Since and If-Unmodified-Since (S3 API, RenameObject). A date that is none is ignored. */
export function renameConditionOf(headers: Readonly<Record<string, string | undefined>>): WriteCondition | undefined {
  const ifModifiedSinceMs = parseHttpDate(headers['if-modified-since'] ?? '')
  const ifUnmodifiedSinceMs = parseHttpDate(headers['if-unmodified-since'] ?? '')
  const condition = writeConditionOf(headers)
  if (ifModifiedSinceMs === undefined && ifUnmodifiedSinceMs === undefined) return condition
  return { ...condition, ifModifiedSinceMs, ifUnmodifiedSinceMs }
}

/**
 * Evaluates the condition against the current object and returns what the commit must still find, so that no write can
 * come between. PreconditionFailed; NoSuchKey for If-Match where there is no object.
 */
export async function resolveCondition(
  context: GatewayContext,
  bucket: OpenBucket,
  key: string,
  condition: WriteCondition,
): Promise<VersionId | 'none'> {
  const current = await findCurrentObject(context, bucket, key)
  if (condition.ifMatch !== undefined) {
    if (current === undefined) throw s3Error('NoSuchKey', { details: { Key: key } })
    if (!matchesEtag(condition.ifMatch, etagOf(current.attributes))) {
      throw s3Error('PreconditionFailed', { details: { Condition: 'If-Match' } })
    }
  }
  if (condition.ifNoneMatch !== undefined && current !== undefined) {
    if (matchesEtag(condition.ifNoneMatch, etagOf(current.attributes))) {
      throw s3Error('PreconditionFailed', { details: { Condition: 'If-None-Match' } })
    }
  }
  await assertNoConflict(context, bucket, key, condition, current)
  assertModified(condition, current)
  await assertSizeAndTime(context, bucket, key, condition, current)
  return current?.version.versionId ?? 'none'
}

/**
 * S3 User Guide, "How to prevent object overwrites with conditional writes": what was written while the upload was under way makes its
 * end a conflict, whether the condition holds or not. A deletion without versioning leaves nothing to be found. ConditionalRequestConflict.
 */
async function assertNoConflict(
  context: GatewayContext,
  bucket: OpenBucket,
  key: string,
  { uploadBegunAtMs, ifMatch }: WriteCondition,
  current: FoundObject | undefined,
): Promise<void> {
  if (uploadBegunAtMs === undefined) return
  const newest = current ?? (await context.metadata.findVersion(bucket.record.id, key, 'current', { withBody: false }))
  if (newest === undefined || newest.version.lastModifiedAt <= uploadBegunAtMs) return
  throw s3Error('ConditionalRequestConflict', {
    details: { Condition: ifMatch === undefined ? 'If-None-Match' : 'If-Match', Key: key },
  })
}

function assertModified(
  { ifModifiedSinceMs, ifUnmodifiedSinceMs }: WriteCondition,
  current: FoundObject | undefined,
): void {
  const modifiedAtMs = current && secondsOf(current.version.lastModifiedAt) * 1000
  const tooOld = ifModifiedSinceMs !== undefined && !(modifiedAtMs !== undefined && modifiedAtMs > ifModifiedSinceMs)
  const tooNew = ifUnmodifiedSinceMs !== undefined && modifiedAtMs !== undefined && modifiedAtMs > ifUnmodifiedSinceMs
  if (tooOld || tooNew) throw s3Error('PreconditionFailed')
}

/** A delete marker has neither size nor time of an object. */
async function assertSizeAndTime(
  context: GatewayContext,
  bucket: OpenBucket,
  key: string,
  { ifMatchSizeBytes, ifMatchModifiedAtMs }: WriteCondition,
  current: FoundObject | undefined,
): Promise<void> {
  if (ifMatchSizeBytes === undefined && ifMatchModifiedAtMs === undefined) return
  if (current === undefined) {
    const marker = await context.metadata.findVersion(bucket.record.id, key, 'current', { withBody: false })
    if (marker === undefined) return
    throw s3Error('PreconditionFailed')
  }
  const { sizeBytes, lastModifiedAt } = current.version
  const sizeFits = ifMatchSizeBytes === undefined || ifMatchSizeBytes === sizeBytes
  const timeFits = ifMatchModifiedAtMs === undefined || secondsOf(ifMatchModifiedAtMs) === secondsOf(lastModifiedAt)
  if (!sizeFits || !timeFits) throw s3Error('PreconditionFailed')
}

function secondsOf(atMs: number): number {
  return Math.floor(atMs / 1000)
}
