/** Where in a trace something begins that another process has asked for. Source: W3C Trace Context, section 3.2. */
export interface TraceParent {
  readonly traceId: string
  readonly spanId: string
  /** Whether the one who asks keeps the trace. */
  readonly isSampled: boolean
}

/** Version, trace id, parent id, flags; a later version may have more behind a further dash. */
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/
const CHARACTERS_MAX = 256
const SAMPLED = 0x01

/** Undefined for whatever breaks the rules, as if it had not been sent (section 4.3). */
export function parseTraceParent(header: string): TraceParent | undefined {
  if (header.length > CHARACTERS_MAX) return undefined
  const [, version, traceId = '', spanId = '', flags = '', more] = TRACEPARENT.exec(header) ?? []
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & SAMPLED) !== 0 }
}

export function traceParentOf({ traceId, spanId }: Pick<TraceParent, 'traceId' | 'spanId'>): string {
  return `00-${traceId}-${spanId}-01`
}
