import { type Context, type Span as OtelSpan, ROOT_CONTEXT, SpanStatusCode, trace } from '@opentelemetry/api'
import type { SpanAttributes } from '../attributes.ts'
import type { Span } from '../tracer.ts'

export class OpenTelemetrySpan implements Span {
  readonly traceId: string
  readonly spanId: string
  readonly isCarried: boolean
  readonly #span: OtelSpan

  constructor(span: OtelSpan, isCarried: boolean) {
    this.#span = span
    this.isCarried = isCarried
    const { traceId, spanId } = span.spanContext()
    this.traceId = traceId
    this.spanId = spanId
  }

  /** What spans below this one begin in. */
  get asParent(): Context {
    return trace.setSpan(ROOT_CONTEXT, this.#span)
  }

  rename(name: string): void {
    this.#span.updateName(name)
  }

  set(attributes: SpanAttributes): void {
    this.#span.setAttributes({ ...attributes })
  }

  failed(code: string): void {
    this.#span.setAttribute('error.type', code)
    this.#span.setStatus({ code: SpanStatusCode.ERROR })
  }

  end(): void {
    this.#span.end()
  }
}
