import type { Mesh } from '@coffer/mesh'
import { Gauge, type Registry } from 'prom-client'
import type { StatePart } from './state-metrics.ts'
import { type UsageSum, walkUsage } from './usage-walk.ts'

/** A walk over the buckets begins no sooner after the one before, however often somebody scrapes. */
const AGE_MS_MAX = 60_000

/**
 * What the store holds: all buckets together, and by name the largest `bucketsMax` of them. A scrape never waits for a walk that
 * takes long: it shows what the last one has found.
 */
export function usageState(mesh: Mesh, registry: Registry, bucketsMax: number): StatePart {
  const gauge = (name: string, help: string) => new Gauge({ name, help, aggregator: 'max', registers: [registry] })
  const ofBucket = (name: string, help: string) =>
    new Gauge({ name, help, labelNames: ['bucket'], aggregator: 'max', registers: [registry] })
  const buckets = gauge('coffer_store_buckets', 'Buckets.')
  const versions = gauge('coffer_store_versions', 'Object versions, delete markers left out.')
  const markers = gauge('coffer_store_delete_markers', 'Delete markers.')
  const bytes = gauge('coffer_store_bytes', 'Bytes of all object versions as clients sent them.')
  const walkedAt = gauge('coffer_store_walked_timestamp_seconds', 'When that was so: the end of the last walk.')
  const largest =
    bucketsMax === 0
      ? undefined
      : {
          versions: ofBucket('coffer_bucket_versions', 'Object versions of one of the largest buckets.'),
          bytes: ofBucket('coffer_bucket_bytes', 'Bytes of all object versions of one of the largest buckets.'),
        }
  const show = (sum: UsageSum) => {
    buckets.set(sum.bucketCount)
    versions.set(sum.versionCount)
    markers.set(sum.deleteMarkerCount)
    bytes.set(sum.sizeBytes)
    walkedAt.set(Date.now() / 1000)
    largest?.versions.reset()
    largest?.bytes.reset()
    for (const { bucket, versionCount, sizeBytes } of sum.largest) {
      largest?.versions.set({ bucket }, versionCount)
      largest?.bytes.set({ bucket }, sizeBytes)
    }
  }
  return {
    ageMsMax: AGE_MS_MAX,
    forget() {
      for (const metric of [buckets, versions, markers, bytes, walkedAt]) metric.remove()
      largest?.versions.reset()
      largest?.bytes.reset()
    },
    read: async () => show(await walkUsage(mesh, bucketsMax)),
  }
}
