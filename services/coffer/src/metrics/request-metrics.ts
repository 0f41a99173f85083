import type { ObservedRequest, RequestObserver } from '@coffer/service-gateway'
import { Counter, Gauge, Histogram, type ObserveDataWithExemplar, type Registry } from 'prom-client'
import { type PendingOperation, PendingRequests } from './pending-requests.ts'

/** From a small object in memory to a large one on a slow line. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60]
/** Error codes of all APIs on the port: who asks is not known, or the proof is not right. */
const AUTHENTICATION_FAILURES: ReadonlySet<string> = new Set([
  'ExpiredToken',
  'InvalidAccessKeyId',
  'InvalidClientTokenId',
  'InvalidToken',
  'RequestTimeTooSkewed',
  'SignatureDoesNotMatch',
  'UnrecognizedClientException',
])
const RATE_LIMITED: ReadonlySet<string> = new Set(['SlowDown', 'Throttling', 'ThrottlingException'])

/** The library's type knows no label of an exemplar that is not one of the histogram. */
type ObservedWithTrace = ObserveDataWithExemplar<'api' | 'operation'>

/** Requests by operation, never by bucket, key or user: the number of series is bounded by the number of operations. */
export class RequestMetrics implements RequestObserver {
  readonly #requests: Counter<'api' | 'operation' | 'status'>
  readonly #seconds: Histogram<'api' | 'operation'>
  readonly #failures: Counter
  readonly #limited: Counter
  readonly #hasExemplars: boolean
  readonly #pending = new PendingRequests((operation) => this.#tell(operation))
  #inFlight = 0
  #bytesIn = 0
  #bytesOut = 0

  constructor(registry: Registry, hasExemplars = false) {
    this.#hasExemplars = hasExemplars
    const registers = [registry]
    const collect = () => this.#pending.flush()
    this.#requests = new Counter({
      name: 'coffer_requests_total',
      help: 'Requests by API, operation and class of status.',
      labelNames: ['api', 'operation', 'status'],
      registers,
      collect,
    })
    this.#seconds = new Histogram({
      name: 'coffer_request_seconds',
      help: 'From the head of a request to the end of its answer.',
      labelNames: ['api', 'operation'],
      buckets: SECONDS,
      enableExemplars: hasExemplars,
      registers,
      collect,
    })
    this.#failures = new Counter({
      name: 'coffer_authentication_failures_total',
      help: 'Requests whose access key, signature, token or date was refused.',
      registers,
    })
    this.#limited = new Counter({
      name: 'coffer_rate_limited_total',
      help: 'Requests refused because their sender sent too many.',
      registers,
    })
    this.#countBytes(registers)
    const inFlight = () => this.#inFlight
    new Gauge({
      name: 'coffer_requests_in_flight',
      help: 'Requests that are being answered.',
      registers,
      collect() {
        this.set(inFlight())
      },
    })
  }

  began(): void {
    this.#inFlight++
  }

  ended({ api, operation, status, errorCode, traceId, seconds, bytesIn, bytesOut }: ObservedRequest): void {
    this.#inFlight--
    this.#bytesIn += bytesIn
    this.#bytesOut += bytesOut
    const hasExemplar = this.#hasExemplars && traceId !== undefined
    this.#pending.add({ api, operation }, status, hasExemplar ? undefined : seconds)
    if (hasExemplar) this.#observe({ api, operation }, seconds, { trace_id: traceId })
    if (errorCode === undefined) return
    if (AUTHENTICATION_FAILURES.has(errorCode)) this.#failures.inc()
    if (RATE_LIMITED.has(errorCode)) this.#limited.inc()
  }

  #tell({ api, operation, statusCounts, seconds }: PendingOperation): void {
    const labels = { api, operation }
    for (const [statusClass, count] of Object.entries(statusCounts)) {
      this.#requests.inc({ ...labels, status: `${statusClass}xx` }, count)
    }
    for (const each of seconds) this.#observe(labels, each, {})
  }

  #observe(labels: Pick<ObservedRequest, 'api' | 'operation'>, value: number, exemplarLabels: object): void {
    if (this.#hasExemplars) this.#seconds.observe({ labels, value, exemplarLabels } as ObservedWithTrace)
    else this.#seconds.observe(labels, value)
  }

  /** Plain numbers until they are asked for: most requests have no more to tell than these. */
  #countBytes(registers: Registry[]): void {
    const counters = [
      { name: 'coffer_request_bytes_total', help: 'Bytes of request bodies.', value: () => this.#bytesIn },
      { name: 'coffer_response_bytes_total', help: 'Bytes of answers.', value: () => this.#bytesOut },
    ]
    for (const { name, help, value } of counters) {
      new Counter({
        name,
        help,
        registers,
        collect() {
          this.reset()
          this.inc(value())
        },
      })
    }
  }
}
