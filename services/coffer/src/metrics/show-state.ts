import type { EventsService } from '@coffer/contracts'
import type { Mesh } from '@coffer/mesh'
import type { ProcessMetrics } from './process-metrics.ts'

/** What a service of a mesh tells of the state that it is nearest to. Nothing is loaded where there are no metrics. */
export async function showUsage(metrics: ProcessMetrics | undefined, mesh: Mesh, bucketsMax: number): Promise<void> {
  if (metrics) metrics.state.add((await import('./usage-state.ts')).usageState(mesh, metrics.registry, bucketsMax))
}

export async function showEvents(metrics: ProcessMetrics | undefined, events: EventsService): Promise<void> {
  if (metrics) metrics.state.add((await import('./event-state.ts')).eventState(events, metrics.registry))
}

export async function showReplication(metrics: ProcessMetrics | undefined, mesh: Mesh): Promise<void> {
  if (metrics) metrics.state.add((await import('./replication-state.ts')).replicationState(mesh, metrics.registry))
}

export async function showDisks(
  metrics: ProcessMetrics | undefined,
  directories: Readonly<Record<string, string>>,
): Promise<void> {
  if (metrics) metrics.state.add((await import('./disk-state.ts')).diskState(directories, metrics.registry))
}

export async function showCertificates(metrics: ProcessMetrics | undefined, certsDirectory: string): Promise<void> {
  if (metrics) metrics.state.add((await import('./disk-state.ts')).certificateState(certsDirectory, metrics.registry))
}
