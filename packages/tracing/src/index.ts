export type { SpanAttributes } from './attributes.ts'
export { TRACING_ERRORS } from './errors.ts'
export { parseTraceParent, type TraceParent, traceParentOf } from './trace-parent.ts'
export { inTraceOfItsOwn, type Span, type SpanStart, type Tracer } from './tracer.ts'
