import { type ChildMetrics, sumOf } from './child-metrics.ts'
import type { ProcessMetrics } from './process-metrics.ts'

export interface MetricsPage {
  readonly contentType: string
  readonly text: string
}

/** One at a time: whoever asks meanwhile gets the same page. */
export function metricsPages(metrics: ProcessMetrics, children?: ChildMetrics): () => Promise<MetricsPage> {
  let current: Promise<MetricsPage> | undefined
  return () => {
    current ??= makePage(metrics, children).finally(() => {
      current = undefined
    })
    return current
  }
}

/** The numbers of this process and of its children in Prometheus' text format. */
async function makePage(metrics: ProcessMetrics, children: ChildMetrics | undefined): Promise<MetricsPage> {
  await metrics.state.refresh()
  const own = await metrics.snapshot()
  const registry = children === undefined ? metrics.registry : sumOf([own, ...(await children.collect())])
  return { contentType: registry.contentType, text: await registry.metrics() }
}
