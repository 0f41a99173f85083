import { AggregatorRegistry, type PrometheusContentType, Registry } from 'prom-client'
import type { MetricsSnapshot } from './process-metrics.ts'

/** What a value may have beside it; the library drops it when it adds values up. */
interface Exemplar {
  readonly timestamp: number
}
type Value = MetricsSnapshot[number]['values'][number] & { metricName?: string; exemplar?: Exemplar | null }

/**
 * Of the same metrics of several processes: sums, or what else a metric says of itself; and of the exemplars of each series the
 * newest. Always a registry of its own: to be shown as OpenMetrics changes the metrics of one.
 */
export function registryOf(snapshots: readonly MetricsSnapshot[], contentType: string): Registry {
  const isOpenMetrics = contentType === Registry.OPENMETRICS_CONTENT_TYPE
  const named = isOpenMetrics ? snapshots.map(withFamilyNames) : snapshots
  const all = named.length === 1 ? named.map(withoutAggregator) : [...named]
  const registry = AggregatorRegistry.aggregate<PrometheusContentType>(all)
  registry.setContentType(contentType as PrometheusContentType)
  const newest = newestExemplars(snapshots)
  if (newest.size === 0) return registry
  for (const metric of registry.getMetricsAsArray()) {
    const { values = [] } = metric as unknown as { readonly values?: readonly Value[] }
    for (const value of values) value.exemplar = newest.get(seriesOf(value)) ?? null
  }
  return registry
}

/** There a counter's name has no `_total`; its samples have, which the library adds (OpenMetrics 1.0, "Counter"). */
function withFamilyNames(snapshot: MetricsSnapshot): MetricsSnapshot {
  return snapshot.map((metric) =>
    String(metric.type) === 'counter' ? { ...metric, name: metric.name.replace(/_total$/, '') } : metric,
  )
}

/** Of one process nothing is left out. */
function withoutAggregator(snapshot: MetricsSnapshot): MetricsSnapshot {
  return snapshot.map((metric) => ({ ...metric, aggregator: 'first' }))
}

function newestExemplars(snapshots: readonly MetricsSnapshot[]): ReadonlyMap<string, Exemplar> {
  const newest = new Map<string, Exemplar>()
  for (const value of snapshots.flat().flatMap(({ values }) => values as readonly Value[])) {
    if (!value.exemplar) continue
    const known = newest.get(seriesOf(value))
    if (known === undefined || known.timestamp < value.exemplar.timestamp) newest.set(seriesOf(value), value.exemplar)
  }
  return newest
}

function seriesOf({ metricName, labels }: Value): string {
  const sorted = Object.entries(labels).sort(([one], [two]) => (one < two ? -1 : 1))
  return JSON.stringify([metricName, sorted])
}
