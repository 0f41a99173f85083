import type { Mesh } from '@coffer/mesh'
import { Gauge, type Registry } from 'prom-client'
import type { StatePart } from './state-metrics.ts'

/** One look at each bucket's counters. */
const AGE_MS_MAX = 60_000
const PAGE = 1_000

/** What the store holds, all buckets together: a bucket's name is nobody's business here, and there may be any number. */
export function usageState(mesh: Mesh, registry: Registry): StatePart {
  const gauge = (name: string, help: string) => new Gauge({ name, help, aggregator: 'max', registers: [registry] })
  const buckets = gauge('coffer_store_buckets', 'Buckets.')
  const versions = gauge('coffer_store_versions', 'Object versions, delete markers left out.')
  const markers = gauge('coffer_store_delete_markers', 'Delete markers.')
  const bytes = gauge('coffer_store_bytes', 'Bytes of all object versions as clients sent them.')
  return {
    ageMsMax: AGE_MS_MAX,
    forget() {
      for (const metric of [buckets, versions, markers, bytes]) metric.remove()
    },
    async read() {
      const sum = await sumOfUsage(mesh)
      buckets.set(sum.bucketCount)
      versions.set(sum.versionCount)
      markers.set(sum.deleteMarkerCount)
      bytes.set(sum.sizeBytes)
    },
  }
}

interface UsageSum {
  readonly bucketCount: number
  readonly versionCount: number
  readonly deleteMarkerCount: number
  readonly sizeBytes: number
}

async function sumOfUsage(mesh: Mesh): Promise<UsageSum> {
  const metadata = mesh.use('metadata')
  const sum = { bucketCount: 0, versionCount: 0, deleteMarkerCount: 0, sizeBytes: 0 }
  for (const { accountId: ownerAccountId } of await mesh.use('iam').listAccounts()) {
    let afterName: string | undefined = ''
    while (afterName !== undefined) {
      const query = { ownerAccountId, prefix: '', afterName, limit: PAGE }
      const page: Awaited<ReturnType<typeof metadata.listBuckets>> = await metadata.listBuckets(query)
      for (const { id } of page.buckets) {
        const usage = await metadata.getUsage({ bucketId: id })
        sum.bucketCount += 1
        sum.versionCount += usage.versionCount
        sum.deleteMarkerCount += usage.deleteMarkerCount
        sum.sizeBytes += usage.sizeBytes
      }
      afterName = page.next
    }
  }
  return sum
}
