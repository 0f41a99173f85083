export type { SpanAttributes } from './attributes.ts'
export { parseTraceParent, type TraceParent, traceParentOf } from './trace-parent.ts'
export { inTraceOfItsOwn, type Span, type SpanStart, type Tracer } from './tracer.ts'
