import type { ChildMetrics } from './child-metrics.ts'
import { chosenFormat } from './exposition-format.ts'
import type { ProcessMetrics } from './process-metrics.ts'
import { registryOf } from './registry-of.ts'

export interface MetricsPage {
  readonly contentType: string
  readonly text: string
}

/** `accept`: the header of the request. */
export type MetricsPages = (accept: string | undefined) => Promise<MetricsPage>

/** One at a time in each format: whoever asks meanwhile gets the same page. */
export function metricsPages(metrics: ProcessMetrics, children?: ChildMetrics): MetricsPages {
  const current = new Map<string, Promise<MetricsPage>>()
  return (accept) => {
    const contentType = chosenFormat(metrics.hasExemplars ? accept : undefined)
    const known = current.get(contentType)
    if (known !== undefined) return known
    const page = makePage(contentType, metrics, children).finally(() => current.delete(contentType))
    current.set(contentType, page)
    return page
  }
}

/** The numbers of this process and of its children. */
async function makePage(
  contentType: string,
  metrics: ProcessMetrics,
  children: ChildMetrics | undefined,
): Promise<MetricsPage> {
  await metrics.state.refresh()
  const snapshots = [await metrics.snapshot(), ...((await children?.collect()) ?? [])]
  return { contentType, text: await registryOf(snapshots, contentType).metrics() }
}
