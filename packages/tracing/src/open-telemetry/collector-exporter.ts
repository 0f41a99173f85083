import { readFileSync, statSync } from 'node:fs'
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import type { SpanExporter } from '@opentelemetry/sdk-trace'
import { tracingError } from '../errors.ts'
import { parseHeaderLines } from '../header-lines.ts'
import type { TraceSettings } from './trace-settings.ts'

/** For one batch, with the repetitions that OTLP asks for. */
const TIMEOUT_MS = 5_000

/** Sends spans to the collector. TRACING_SETTINGS_INVALID, where a file cannot be read or used. */
export function openCollectorExporter(settings: Pick<TraceSettings, 'endpoint' | 'caFile' | 'headersFile'>): {
  readonly exporter: SpanExporter
  /** Closes the connections. */
  close(): void
} {
  const { endpoint, caFile, headersFile } = settings
  const ca = caFile === undefined ? undefined : read(caFile)
  const agent = endpoint.startsWith('https:')
    ? new HttpsAgent({ keepAlive: true, maxSockets: 1, ...(ca !== undefined && { ca }) })
    : new HttpAgent({ keepAlive: true, maxSockets: 1 })
  const headers = headersFile === undefined ? undefined : headersIn(headersFile)
  const exporter = new OTLPTraceExporter({
    url: endpoint,
    timeoutMillis: TIMEOUT_MS,
    concurrencyLimit: 2,
    httpAgentOptions: () => agent,
    ...(headers && { headers: async () => ({ ...headers() }) }),
  })
  return { exporter, close: () => agent.destroy() }
}

/** Read at once, and anew when the file has changed; one that can't be used then changes nothing. */
function headersIn(path: string): () => Readonly<Record<string, string>> {
  const load = () => ({ changedAt: statSync(path).mtimeMs, headers: parseHeaderLines(read(path), path) })
  let known = load()
  return () => {
    try {
      if (statSync(path).mtimeMs !== known.changedAt) known = load()
    } catch {
      // The collector says if these are no longer the right ones.
    }
    return known.headers
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw tracingError('TRACING_SETTINGS_INVALID', `cannot read ${path}`, { cause })
  }
}
