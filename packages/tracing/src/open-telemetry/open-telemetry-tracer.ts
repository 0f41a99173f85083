import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { isCofferError } from '@coffer/errors'
import {
  type Context,
  SpanKind as OtelSpanKind,
  type Tracer as OtelTracer,
  ROOT_CONTEXT,
  type SpanContext,
  TraceFlags,
  trace,
} from '@opentelemetry/api'
import type { TracerProvider } from '@opentelemetry/sdk-trace'
import { parseTraceParent, type TraceParent } from '../trace-parent.ts'
import type { Span, SpanKind, SpanStart, Tracer } from '../tracer.ts'
import { OpenTelemetrySpan } from './open-telemetry-span.ts'
import type { SpanFigures, SpanQueue } from './span-queue.ts'
import type { TraceSettings } from './trace-settings.ts'

/** How long a collector may hold up a stop. */
const CLOSE_MS_MAX = 2_000

const KINDS: Readonly<Record<SpanKind, OtelSpanKind>> = {
  server: OtelSpanKind.SERVER,
  client: OtelSpanKind.CLIENT,
  producer: OtelSpanKind.PRODUCER,
  internal: OtelSpanKind.INTERNAL,
}

/**
 * Spans of OpenTelemetry's SDK, without its globals: what is in a process beside Coffer (an SDK's own tracing, a plugin) is not
 * traced by the way. Spans are made only of what is kept, so that the SDK has nothing to decide.
 */
export class OpenTelemetryTracer implements Tracer {
  readonly #settings: Pick<TraceSettings, 'sampleRatio' | 'clientContext'>
  readonly #provider: TracerProvider
  readonly #queue: SpanQueue
  readonly #onClose: () => void
  readonly #otel: OtelTracer
  readonly #running = new AsyncLocalStorage<OpenTelemetrySpan | undefined>()

  constructor(
    settings: Pick<TraceSettings, 'sampleRatio' | 'clientContext'>,
    provider: TracerProvider,
    queue: SpanQueue,
    onClose: () => void,
  ) {
    this.#settings = settings
    this.#provider = provider
    this.#queue = queue
    this.#onClose = onClose
    this.#otel = provider.getTracer('coffer')
  }

  get figures(): SpanFigures {
    return this.#queue.figures
  }

  current(): OpenTelemetrySpan | undefined {
    return this.#running.getStore()
  }

  beginRequest(start: SpanStart, received: string | undefined): Span | undefined {
    const client = received === undefined ? undefined : parseTraceParent(received)
    if (client === undefined || this.#settings.clientContext === 'link') {
      if (!this.#isPicked()) return undefined
      return this.#begin(client === undefined ? start : { ...start, links: [client] }, ROOT_CONTEXT)
    }
    return client.isSampled ? this.#begin(start, contextOf(client)) : undefined
  }

  within<T>(span: Span | undefined, work: () => T): T {
    return this.#running.run(span as OpenTelemetrySpan | undefined, work)
  }

  child<T>(start: SpanStart, work: () => Promise<T>): Promise<T> {
    const span = this.beginChild(start)
    return span === undefined ? work() : this.#complete(span, work)
  }

  beginChild(start: SpanStart): OpenTelemetrySpan | undefined {
    const parent = this.current()
    return parent && this.#begin(start, parent.asParent)
  }

  root<T>(start: SpanStart, work: () => Promise<T>): Promise<T> {
    const isKept = start.links?.some(({ isSampled }) => isSampled) || this.#isPicked()
    if (isKept) return this.#complete(this.#begin(start, ROOT_CONTEXT), work)
    return this.within(undefined, work)
  }

  continued<T>(parent: TraceParent, start: SpanStart, work: () => Promise<T>): Promise<T> {
    return this.#complete(this.#begin(start, contextOf(parent)), work)
  }

  async close(): Promise<void> {
    // What a collector that is away has not taken in all the time before, it will not take now.
    if (!this.#queue.isAway) {
      const sent = this.#provider.shutdown().catch(() => undefined)
      await Promise.race([sent, sleep(CLOSE_MS_MAX, undefined, { ref: false })])
    }
    this.#onClose()
  }

  #isPicked(): boolean {
    return Math.random() < this.#settings.sampleRatio
  }

  #begin({ name, kind, attributes, links = [], isCarried = false }: SpanStart, parent: Context): OpenTelemetrySpan {
    const linked = links.map((link) => ({ context: spanContextOf(link) }))
    const options = { kind: KINDS[kind], attributes: { ...attributes }, links: linked }
    return new OpenTelemetrySpan(this.#otel.startSpan(name, options, parent), isCarried)
  }

  async #complete<T>(span: OpenTelemetrySpan, work: () => Promise<T>): Promise<T> {
    try {
      return await this.within(span, work)
    } catch (error) {
      span.failed(isCofferError(error) ? error.code : 'unexpected')
      throw error
    } finally {
      span.end()
    }
  }
}

function contextOf(parent: TraceParent): Context {
  return trace.setSpanContext(ROOT_CONTEXT, spanContextOf(parent))
}

function spanContextOf({ traceId, spanId, isSampled }: TraceParent): SpanContext {
  const traceFlags = isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE
  return { traceId, spanId, traceFlags, isRemote: true }
}
