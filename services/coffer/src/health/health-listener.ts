import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { HostPort } from '@coffer/config'
import { bind } from '../listener.ts'
import type { MetricsPage, MetricsPages } from '../metrics/metrics-page.ts'
import type { Health } from './health.ts'

const REQUEST_TIMEOUT_MS = 5_000
const CONNECTIONS_MAX = 64
/** What load balancers ask that were set up for MinIO. */
const LIVE: ReadonlySet<string> = new Set(['/live', '/minio/health/live'])
const READY: ReadonlySet<string> = new Set(['/ready', '/minio/health/ready', '/minio/health/cluster'])

/**
 * `GET /live`: the process runs. `GET /ready`: it can do its work (200), or what it waits for (503). Plain HTTP, for probes of
 * Kubernetes, load balancers and service managers; it tells nothing of what is stored but how much it is.
 * `GET /metrics`: the numbers, for Prometheus. COFFER_ADDRESS_UNAVAILABLE.
 */
export async function startHealthListener(
  address: HostPort,
  health: Health,
  metricsPage?: MetricsPages,
): Promise<{ port: number; stop(): void }> {
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS })
  server.maxConnections = CONNECTIONS_MAX
  server.on('request', (request, response) => {
    request.resume()
    if (request.method !== 'GET' && request.method !== 'HEAD') answer(response, 405, { error: 'GET only' })
    else if (LIVE.has(pathOf(request))) answer(response, 200, { live: true })
    else if (READY.has(pathOf(request))) {
      void health.report().then((report) => answer(response, report.ready ? 200 : 503, report))
    } else if (pathOf(request) === '/metrics' && metricsPage !== undefined) {
      metricsPage(request.headers.accept).then(
        (page) => send(response, 200, page),
        () => answer(response, 500, { error: 'the numbers could not be gathered' }),
      )
    } else answer(response, 404, { error: 'there are /live, /ready and /metrics' })
  })
  const port = await bind(server, address)
  server.unref()
  return {
    port,
    stop() {
      server.close()
      server.closeAllConnections()
    },
  }
}

function pathOf({ url = '' }: IncomingMessage): string {
  return url.split('?', 1)[0] ?? ''
}

function answer(response: ServerResponse, status: number, body: object): void {
  send(response, status, { contentType: 'application/json', text: `${JSON.stringify(body)}\n` })
}

function send(response: ServerResponse, status: number, { contentType, text }: MetricsPage): void {
  const headers = {
    'content-type': contentType,
    'cache-control': 'no-store',
    'content-length': Buffer.byteLength(text),
  }
  response.writeHead(status, headers).end(text)
}
