import type { Tally } from '@coffer/contracts'
import type { JsonObject } from '@coffer/job-queue'
import type { Mesh } from '@coffer/mesh'
import type { BucketRecord, ListedVersion } from '@coffer/metadata-store'
import { rotationError } from '../errors.ts'
import { allBuckets } from '../key-holders.ts'

const PAGE = 1000

export interface Scope {
  readonly bucket?: string | undefined
  readonly prefix?: string | undefined
}

export interface VersionInScope {
  readonly bucket: BucketRecord
  readonly listed: ListedVersion
}

/** Where a walk has been: all before it, and it, are done. */
export type Checkpoint = {
  readonly accountId: string
  readonly bucket: string
  readonly key: string
  readonly versionId: string
}

export function checkpointAt({ bucket, listed }: VersionInScope): Checkpoint {
  return {
    accountId: bucket.ownerAccountId,
    bucket: bucket.name,
    key: listed.key,
    versionId: listed.versionId,
  }
}

/** Every version in the scope but delete markers, in a fixed order, strictly after the checkpoint. Memory: one page. */
export async function* versionsInScope(
  mesh: Mesh,
  scope: Scope,
  checkpoint: JsonObject | undefined,
): AsyncGenerator<VersionInScope, void> {
  const after = checkpoint as Checkpoint | undefined
  for await (const bucket of bucketsIn(mesh, scope)) {
    const order = after === undefined ? 1 : orderOf(bucket, after)
    if (order < 0) continue
    yield* versionsOf(mesh, bucket, scope.prefix ?? '', order === 0 ? after : undefined)
  }
}

/**
 * What the scope holds. Of whole buckets from the counters of each; of a prefix by a walk through its listing, which costs a
 * few microseconds for a version.
 */
export async function totalOf(mesh: Mesh, scope: Scope): Promise<Tally> {
  let [objectCount, sizeBytes] = [0, 0]
  if (scope.prefix) {
    for await (const { listed } of versionsInScope(mesh, scope, undefined)) {
      objectCount += 1
      sizeBytes += listed.sizeBytes
    }
    return { objectCount, sizeBytes }
  }
  for await (const { id } of bucketsIn(mesh, scope)) {
    const usage = await mesh.use('metadata').getUsage({ bucketId: id })
    objectCount += usage.versionCount
    sizeBytes += usage.sizeBytes
  }
  return { objectCount, sizeBytes }
}

/** One, or all. ROTATION_BUCKET_NOT_FOUND. */
export async function* bucketsIn(mesh: Mesh, scope: Pick<Scope, 'bucket'>): AsyncGenerator<BucketRecord, void> {
  if (scope.bucket === undefined) return yield* allBuckets(mesh)
  const bucket = await mesh.use('metadata').findBucket(scope.bucket)
  if (bucket === undefined) throw rotationError('ROTATION_BUCKET_NOT_FOUND', { bucket: scope.bucket })
  yield bucket
}

async function* versionsOf(
  mesh: Mesh,
  bucket: BucketRecord,
  prefix: string,
  after: Checkpoint | undefined,
): AsyncGenerator<VersionInScope, void> {
  let from = { afterKey: after?.key ?? '', afterVersionId: after?.versionId ?? '' }
  for (;;) {
    const query = { bucketId: bucket.id, prefix, delimiter: '', ...from, limit: PAGE }
    const page = await mesh.use('metadata').listVersions(query)
    for (const listed of page.entries) if (!listed.isDeleteMarker) yield { bucket, listed }
    if (page.next === undefined) return
    from = page.next
  }
}

/** Negative: before the checkpoint's bucket in the order of `allBuckets`. */
function orderOf(bucket: BucketRecord, { accountId, bucket: name }: Checkpoint): number {
  return compare(bucket.ownerAccountId, accountId) || compare(bucket.name, name)
}

function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
