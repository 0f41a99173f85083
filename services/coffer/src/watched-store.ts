import type { MetadataStore } from '@coffer/metadata-store'
import type { Tracer } from '@coffer/tracing'
import type { MetadataServer } from './metadata-location.ts'
import type { ProcessMetrics } from './metrics/process-metrics.ts'
import { traceCommits } from './tracing/trace-stores.ts'

interface Watchers {
  readonly metrics?: ProcessMetrics | undefined
  readonly tracer?: Tracer | undefined
}

/** A metadata store as it is offered to others: its writes counted and traced, where that is wanted. */
export function watchedStore(
  store: MetadataStore,
  server: MetadataServer | undefined,
  { metrics, tracer }: Watchers,
): MetadataStore {
  const counted = metrics?.calls.countingCommits(store) ?? store
  return traceCommits(counted, tracer, server === undefined ? 'lmdb' : 'postgresql')
}
