import type { LifecyclePlace, LifecyclePosition, LifecycleRequest, LifecycleStep } from '@coffer/contracts'
import type { Mesh } from '@coffer/mesh'
import { filterOf, type LifecycleRule, uploadAbortOf } from '@coffer/s3-protocol'
import { applyToVersion, type Work } from './apply-to-version.ts'
import { type DueVersion, planVersions } from './plan-versions.ts'
import { type RuledBucket, RuledBuckets } from './ruled-buckets.ts'
import { Tally } from './tally.ts'

/** Versions or uploads that a step looks at. */
const PAGE = 1000
/** Changes under way at once: their commits share an fdatasync. */
const CONCURRENCY = 64
/** Each holds a few MiB. */
const MOVES_UNDERWAY = 16
const COUNTED_AS = {
  expired: 'expired',
  'lone-marker': 'deleteMarkersRemoved',
  noncurrent: 'noncurrentRemoved',
  transition: 'transitionsDue',
} as const

/**
 * Applies the lifecycle rules of all buckets (S3 User Guide, "Managing the lifecycle of objects") in bounded steps. What is done needs
 * nothing more, so that a walk may be cut off anywhere, begin again, or be made by two at once.
 */
export class Lifecycle {
  readonly #mesh: Mesh
  readonly #buckets: RuledBuckets
  readonly #now: () => number
  readonly #transition: Work['transition']

  /** `transition`: who moves what is due for another storage class; then nothing else is done. */
  constructor(mesh: Mesh, now: () => number, transition?: Work['transition']) {
    this.#transition = transition
    this.#mesh = mesh
    this.#buckets = new RuledBuckets(mesh)
    this.#now = now
  }

  async step({ position, previewAt }: LifecycleRequest): Promise<LifecycleStep> {
    const tally = new Tally()
    const work: Work = {
      metadata: this.#mesh.use('metadata'),
      nowMs: previewAt ?? this.#now(),
      isPreview: previewAt !== undefined,
      ...(this.#transition && { transition: this.#transition }),
    }
    const next = (await this.#goOn(position, work, tally)) ?? (await this.#nextBucket(position, work, tally))
    return { report: tally.report(), ...(next && { next }) }
  }

  /** In the bucket where the walk is; undefined: it is in none. */
  async #goOn(position: LifecyclePosition | undefined, work: Work, tally: Tally) {
    if (position?.within === undefined) return undefined
    const { accountId, bucket: name, within } = position
    const rest: LifecyclePosition = { accountId, bucket: name }
    let next: LifecyclePosition | undefined
    await tally.attempt(`bucket ${name}`, async () => {
      const bucket = await this.#buckets.find(name, within.bucketId)
      const place = bucket && (await workOn(bucket, within, work, tally))
      next = { ...rest, ...(place && { within: place }) }
      return undefined
    })
    return next ?? rest
  }

  async #nextBucket(position: LifecyclePosition | undefined, work: Work, tally: Tally) {
    const look = await this.#buckets.after(position)
    if (look === undefined) return undefined
    tally.fail(...look.failures)
    if (look.found === undefined) return look.seen
    const place = await workOn(look.found, firstPlace(look.found), work, tally)
    return { ...look.seen, ...(place && { within: place }) }
  }
}

/** One page; returns where the next one begins, undefined: the bucket is done. */
async function workOn(
  bucket: RuledBucket,
  place: LifecyclePlace,
  work: Work,
  tally: Tally,
): Promise<LifecyclePlace | undefined> {
  return place.kind === 'versions'
    ? ((await workOnVersions(bucket, place, work, tally)) ?? uploadsPlace(bucket))
    : await workOnUploads(bucket, place, work, tally)
}

async function workOnVersions(
  bucket: RuledBucket,
  place: Extract<LifecyclePlace, { kind: 'versions' }>,
  work: Work,
  tally: Tally,
): Promise<LifecyclePlace | undefined> {
  const { id } = bucket.record
  const rules = bucket.rules.filter(concernsVersions)
  if (rules.length === 0) return undefined
  const { afterKey, inKey } = place
  const page = await work.metadata.listVersions({
    bucketId: id,
    prefix: commonPrefixOf(rules),
    delimiter: '',
    afterKey: inKey?.key ?? afterKey,
    afterVersionId: inKey?.versionId ?? '',
    limit: PAGE,
  })
  const planned = planVersions(rules, { entries: page.entries, hasMore: page.next !== undefined }, place, work.nowMs)
  tally.add('versionsSeen', planned.versionsSeen)
  const due = work.transition ? planned.due.filter(({ reason }) => reason.kind === 'transition') : planned.due
  await inSlices(due, work.transition ? MOVES_UNDERWAY : CONCURRENCY, (one) => applyAndCount(bucket, one, work, tally))
  return planned.next && { bucketId: id, kind: 'versions', ...planned.next }
}

async function applyAndCount(bucket: RuledBucket, due: DueVersion, work: Work, tally: Tally): Promise<void> {
  await tally.attempt(`object ${due.key} of bucket ${bucket.record.name}`, async () => {
    const outcome = await applyToVersion(bucket, due, work)
    if (outcome === 'moot') return undefined
    return outcome === 'locked' ? 'locked' : COUNTED_AS[due.reason.kind]
  })
}

async function workOnUploads(
  bucket: RuledBucket,
  place: Extract<LifecyclePlace, { kind: 'uploads' }>,
  work: Work,
  tally: Tally,
): Promise<LifecyclePlace | undefined> {
  const { id, name } = bucket.record
  const rules = bucket.rules.filter(concernsUploads)
  if (rules.length === 0 || work.transition) return undefined
  const { afterKey, afterUploadId } = place
  const prefix = commonPrefixOf(rules)
  const query = { bucketId: id, prefix, delimiter: '', afterKey, afterUploadId, limit: PAGE }
  const page = await work.metadata.listUploads(query)
  const due = page.uploads.filter((upload) => (uploadAbortOf(rules, upload)?.at ?? Infinity) <= work.nowMs)
  await inSlices(due, CONCURRENCY, ({ key, uploadId }) =>
    tally.attempt(`upload ${uploadId} of bucket ${name}`, async () => {
      if (!work.isPreview) await work.metadata.abortUpload(id, key, uploadId)
      return 'uploadsAborted'
    }),
  )
  return page.next && { bucketId: id, kind: 'uploads', ...page.next }
}

/** What is under way has ended when it rejects. */
async function inSlices<T>(items: readonly T[], size: number, act: (item: T) => Promise<void>): Promise<void> {
  for (let start = 0; start < items.length; start += size) {
    const ended = await Promise.allSettled(items.slice(start, start + size).map(act))
    for (const one of ended) if (one.status === 'rejected') throw one.reason
  }
}

function firstPlace({ record }: RuledBucket): LifecyclePlace {
  return { bucketId: record.id, kind: 'versions', afterKey: '' }
}

function uploadsPlace({ record, rules }: RuledBucket): LifecyclePlace | undefined {
  if (!rules.some(concernsUploads)) return undefined
  return { bucketId: record.id, kind: 'uploads', afterKey: '', afterUploadId: '' }
}

function concernsVersions(rule: LifecycleRule): boolean {
  const { expiration, noncurrentVersionExpiration, transitions, noncurrentVersionTransitions } = rule
  return [expiration, noncurrentVersionExpiration, transitions, noncurrentVersionTransitions].some(
    (action) => action !== undefined,
  )
}

function concernsUploads({ abortIncompleteMultipartUpload }: LifecycleRule): boolean {
  return abortIncompleteMultipartUpload !== undefined
}

/** What all keys begin with that a rule can be about: the rest of the bucket need not be listed. */
function commonPrefixOf(rules: readonly LifecycleRule[]): string {
  const [first = '', ...others] = rules.map((rule) => filterOf(rule).prefix ?? '')
  let length = first.length
  for (const prefix of others) {
    while (!prefix.startsWith(first.slice(0, length))) length -= 1
  }
  const common = first.slice(0, length)
  // Two prefixes may share the first half of a character.
  return common.isWellFormed() ? common : common.slice(0, -1)
}
