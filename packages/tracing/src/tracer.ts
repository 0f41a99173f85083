import type { SpanAttributes } from './attributes.ts'
import type { TraceParent } from './trace-parent.ts'

/** OpenTelemetry's kinds: answers a call, makes one, hands something on, or none of these. */
export type SpanKind = 'server' | 'client' | 'producer' | 'internal'

export interface SpanStart {
  /** Of a small set, whatever clients send: `S3/PutObject`, never the name of an object. */
  readonly name: string
  readonly kind: SpanKind
  readonly attributes?: SpanAttributes
  /** What it comes from, where that is no part of it: of events that are delivered together, the requests that caused them. */
  readonly links?: readonly TraceParent[]
  /** Whoever is asked over HTTP meanwhile is told of the trace. */
  readonly isCarried?: boolean
}

/** A piece of work in a trace that is kept. What is not kept has no span. */
export interface Span {
  /** 32 and 16 hexadecimal digits. */
  readonly traceId: string
  readonly spanId: string
  readonly isCarried: boolean
  rename(name: string): void
  set(attributes: SpanAttributes): void
  /** `code`: of an error catalogue, never its text. */
  failed(code: string): void
  end(): void
}

/**
 * Traces of one process. The span that code runs in is known without being handed on (`AsyncLocalStorage`).
 *
 * Whether a trace is kept is decided once, where it begins (`beginRequest`, `root`); what follows is kept with it, also in other
 * processes, and where nothing is kept `child` only does the work.
 */
export interface Tracer {
  /** The span that this code runs in. */
  current(): Span | undefined
  /** The span of a request; undefined: its trace is not kept. `received`: the header `traceparent`, if there is one. */
  beginRequest(start: SpanStart, received: string | undefined): Span | undefined
  /** Runs `work` in a span, which ends by itself; undefined: in none. */
  within<T>(span: Span | undefined, work: () => T): T
  /** Part of the current span; ends with `work`. */
  child<T>(start: SpanStart, work: () => Promise<T>): Promise<T>
  /** Like {@link child}, for what ends elsewhere; undefined where there is no current span. */
  beginChild(start: SpanStart): Span | undefined
  /** A trace of its own, of work that no request waits for. Kept where one that it is linked to is, else by the ratio. */
  root<T>(start: SpanStart, work: () => Promise<T>): Promise<T>
  /** Part of what another process of ours has begun. */
  continued<T>(parent: TraceParent, start: SpanStart, work: () => Promise<T>): Promise<T>
  /** Sends what waits, for no longer than a stop may take. */
  close(): Promise<void>
}

/** {@link Tracer.root} where there may be no tracer. */
export function inTraceOfItsOwn<T>(tracer: Tracer | undefined, start: SpanStart, work: () => Promise<T>): Promise<T> {
  return tracer === undefined ? work() : tracer.root(start, work)
}
