import type { Mesh } from '@coffer/mesh'
import type { DataDirectory } from '../data-directory.ts'
import { ChildMetrics } from './child-metrics.ts'
import { certificateState, diskState } from './disk-state.ts'
import { eventState } from './event-state.ts'
import { type MetricsPages, metricsPages } from './metrics-page.ts'
import type { ProcessMetrics } from './process-metrics.ts'
import { replicationState } from './replication-state.ts'
import { usageState } from './usage-state.ts'

/** The numbers of a whole `coffer server`: its own, its workers', its job process's, and those of the store. */
export interface Monitoring {
  readonly metrics: ProcessMetrics
  readonly children: ChildMetrics
  readonly page: MetricsPages
}

export function monitorServer(
  metrics: ProcessMetrics,
  directory: DataDirectory,
  mesh: Mesh,
  bucketsMax: number,
): Monitoring {
  const { state, registry } = metrics
  const { metadataDirectory, blobsDirectory, auditDirectory, certsDirectory } = directory
  state.add(usageState(mesh, registry, bucketsMax))
  state.add(eventState(mesh.use('events'), registry))
  state.add(replicationState(mesh, registry))
  state.add(diskState({ metadata: metadataDirectory, blobs: blobsDirectory, audit: auditDirectory }, registry))
  state.add(certificateState(certsDirectory, registry))
  const children = new ChildMetrics()
  return { metrics, children, page: metricsPages(metrics, children) }
}
