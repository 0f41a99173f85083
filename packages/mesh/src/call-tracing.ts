import { parseTraceParent, type SpanStart, type Tracer, traceParentOf } from '@coffer/tracing'

type Method = (...args: unknown[]) => Promise<unknown>

/** A call as it travels. */
export interface CallParams {
  readonly args: Uint8Array
  /** W3C Trace Context of the caller, where its trace is kept. */
  readonly traceparent?: string
}

/** The one side of a call between processes: `call` is given what the other side needs to go on with the trace. */
export function traceCall<T>(
  tracer: Tracer | undefined,
  action: string,
  call: (context: Pick<CallParams, 'traceparent'>) => Promise<T>,
): Promise<T> {
  if (tracer?.current() === undefined) return call({})
  return tracer.child(spanOf(action, 'client'), () => {
    const span = tracer.current()
    return call(span === undefined ? {} : { traceparent: traceParentOf(span) })
  })
}

/** The other side. */
export function traceAnswer<T>(
  tracer: Tracer | undefined,
  action: string,
  { traceparent }: CallParams,
  answer: () => Promise<T>,
): Promise<T> {
  const parent = tracer === undefined || traceparent === undefined ? undefined : parseTraceParent(traceparent)
  if (tracer === undefined || parent === undefined) return answer()
  return tracer.continued(parent, spanOf(action, 'server'), answer)
}

/** A call that stays in this process. */
export function traceLocally(tracer: Tracer, action: string, method: Method): Method {
  const start = spanOf(action, 'internal')
  return (...args) => tracer.child(start, () => method(...args))
}

/** `metadata.commitVersion` is shown as `metadata/commitVersion` (semantic conventions for RPC: service, then method). */
function spanOf(action: string, kind: SpanStart['kind']): SpanStart {
  const name = action.replace('.', '/')
  return { name, kind, attributes: { 'rpc.system.name': 'moleculer', 'rpc.method': name } }
}
