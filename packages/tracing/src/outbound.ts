import { subscribe } from 'node:diagnostics_channel'
import { traceParentOf } from './trace-parent.ts'
import type { Tracer } from './tracer.ts'

/** Of undici, and of Node's own fetch, which is the same (undici, "Diagnostics Channel Support"). */
const REQUEST_CREATED = 'undici:request:create'

interface CreatedRequest {
  readonly request: { addHeader(name: string, value: string): void }
}

/**
 * Requests over HTTP that are made in a span which is `carried` say so to whoever is asked: a key server, a webhook. Others, such as
 * to an identity provider, say nothing.
 */
export function carryOutbound(tracer: Pick<Tracer, 'current'>): void {
  subscribe(REQUEST_CREATED, (message) => {
    const span = tracer.current()
    if (span?.isCarried) (message as CreatedRequest).request.addHeader('traceparent', traceParentOf(span))
  })
}
