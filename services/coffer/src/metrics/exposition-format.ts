import { Registry } from 'prom-client'

const OPEN_METRICS = 'application/openmetrics-text'
const PROMETHEUS_TEXT = 'text/plain'

/**
 * OpenMetrics where whoever asks prefers it (RFC 9110, section 12.5.1), as Prometheus does unless it is told otherwise; else Prometheus'
 * own text format.
 */
export function chosenFormat(accept: string | undefined): string {
  const openMetrics = qualityOf(OPEN_METRICS, accept)
  const isPreferred = openMetrics > 0 && openMetrics >= qualityOf(PROMETHEUS_TEXT, accept)
  return isPreferred ? Registry.OPENMETRICS_CONTENT_TYPE : Registry.PROMETHEUS_CONTENT_TYPE
}

/** The highest, of those that name the type itself; 0 where none does. */
function qualityOf(type: string, accept = ''): number {
  const ranges = accept.split(',').map((range) => range.split(';').map((part) => part.trim().toLowerCase()))
  const named = ranges.filter(([name]) => name === type)
  return Math.max(
    0,
    ...named.map((parts) => Number(parts.find((part) => part.startsWith('q='))?.slice('q='.length) ?? 1) || 0),
  )
}
