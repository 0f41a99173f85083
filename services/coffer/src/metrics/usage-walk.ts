import { setTimeout as sleep } from 'node:timers/promises'
import type { Mesh } from '@coffer/mesh'

/** A page of buckets and their counters, and then a rest: a walk takes no more of the metadata store than this, whatever it holds. */
const BUCKETS_PER_PAGE = 200
const BUCKETS_PER_SECOND_MAX = 1_000
const REST_MS = (1_000 * BUCKETS_PER_PAGE) / BUCKETS_PER_SECOND_MAX

export interface BucketUsage {
  readonly bucket: string
  readonly versionCount: number
  readonly sizeBytes: number
}

export interface UsageSum {
  readonly bucketCount: number
  readonly versionCount: number
  readonly deleteMarkerCount: number
  readonly sizeBytes: number
  /** The largest first. */
  readonly largest: readonly BucketUsage[]
}

/**
 * Sums what every commit keeps: one counter for an account. Buckets are only counted; where the largest are to be named, the
 * counter of each is looked at. At most `BUCKETS_PER_SECOND_MAX` of them a second; memory is bounded by a page and twice `largestMax`.
 */
export async function walkUsage(
  mesh: Mesh,
  largestMax: number,
  rest: (ms: number) => Promise<unknown> = (ms) => sleep(ms, undefined, { ref: false }),
): Promise<UsageSum> {
  const metadata = mesh.use('metadata')
  const sum = { bucketCount: 0, versionCount: 0, deleteMarkerCount: 0, sizeBytes: 0 }
  let largest: BucketUsage[] = []
  for (const { accountId } of await mesh.use('iam').listAccounts()) {
    const { versionCount, deleteMarkerCount, sizeBytes } = await metadata.getUsage({ accountId })
    sum.versionCount += versionCount
    sum.deleteMarkerCount += deleteMarkerCount
    sum.sizeBytes += sizeBytes
    let afterName: string | undefined = ''
    while (afterName !== undefined) {
      const query = { ownerAccountId: accountId, prefix: '', afterName, limit: BUCKETS_PER_PAGE }
      const page: Awaited<ReturnType<typeof metadata.listBuckets>> = await metadata.listBuckets(query)
      sum.bucketCount += page.buckets.length
      if (largestMax > 0) {
        for (const { id, name } of page.buckets) {
          const usage = await metadata.getUsage({ bucketId: id })
          largest.push({ bucket: name, versionCount: usage.versionCount, sizeBytes: usage.sizeBytes })
        }
        if (largest.length > 2 * largestMax) largest = largestOf(largest, largestMax)
      }
      afterName = page.next
      if (afterName !== undefined) await rest(REST_MS)
    }
  }
  return { ...sum, largest: largestOf(largest, largestMax) }
}

function largestOf(buckets: readonly BucketUsage[], count: number): BucketUsage[] {
  const bySize = (a: BucketUsage, b: BucketUsage) => b.sizeBytes - a.sizeBytes || (a.bucket < b.bucket ? -1 : 1)
  return buckets.toSorted(bySize).slice(0, count)
}
