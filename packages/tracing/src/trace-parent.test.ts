import { describe, expect, it } from 'vitest'
import { parseTraceParent, traceParentOf } from './trace-parent.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const SPAN = '00f067aa0ba902b7'

/** Vectors: W3C Trace Context, sections 3.2.2 and 3.2.4. */
describe('a traceparent', () => {
  it('says the trace, the span, and whether it is kept', () => {
    expect(parseTraceParent(`00-${TRACE}-${SPAN}-01`)).toEqual({ traceId: TRACE, spanId: SPAN, isSampled: true })
    expect(parseTraceParent(`00-${TRACE}-${SPAN}-00`)).toMatchObject({ isSampled: false })
    expect(parseTraceParent(`00-${TRACE}-${SPAN}-03`)).toMatchObject({ isSampled: true })
    expect(parseTraceParent(`00-${TRACE}-${SPAN}-fe`)).toMatchObject({ isSampled: false })
    expect(parseTraceParent(traceParentOf({ traceId: TRACE, spanId: SPAN }))).toMatchObject({ isSampled: true })
  })

  it('of a later version is read as far as it is known', () => {
    expect(parseTraceParent(`01-${TRACE}-${SPAN}-01`)).toMatchObject({ traceId: TRACE })
    expect(parseTraceParent(`cc-${TRACE}-${SPAN}-01-what-comes-later`)).toMatchObject({ traceId: TRACE })
  })

  it.each([
    '',
    'nonsense',
    `ff-${TRACE}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-01-more`,
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-1`,
    `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`,
    `01-${TRACE}-${SPAN}-01-${'x'.repeat(300)}`,
  ])('that breaks the rules is none: %s', (header) => {
    expect(parseTraceParent(header)).toBeUndefined()
  })
})
