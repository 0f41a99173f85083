import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { evaluateRead, failedCondition, matchesEtag, parseConditions, rangeCounts } from './conditions.ts'
import { httpDate } from './dates.ts'

const ETAG = '"d41d8cd98f00b204e9800998ecf8427e"'
const MODIFIED_AT = Date.UTC(2026, 10, 23, 16, 3, 57) + 400
const SAME = httpDate(MODIFIED_AT)
const BEFORE = httpDate(MODIFIED_AT - 60_000)
const AFTER = httpDate(MODIFIED_AT + 60_000)
const NOW = MODIFIED_AT + 3_600_000
const object = { etag: ETAG, lastModifiedAt: MODIFIED_AT }

describe('evaluateRead', () => {
  it.each([
    [{}, 'ok'],
    [{ 'if-match': ETAG }, 'ok'],
    [{ 'if-match': '*' }, 'ok'],
    [{ 'if-match': 'd41d8cd98f00b204e9800998ecf8427e' }, 'ok'],
    [{ 'if-match': `"other", ${ETAG}` }, 'ok'],
    [{ 'if-match': '"other"' }, 'precondition-failed'],
    [{ 'if-match': '' }, 'precondition-failed'],
    [{ 'if-none-match': ETAG }, 'not-modified'],
    [{ 'if-none-match': `W/${ETAG}` }, 'not-modified'],
    [{ 'if-none-match': '*' }, 'not-modified'],
    [{ 'if-none-match': '"other"' }, 'ok'],
    [{ 'if-modified-since': SAME }, 'not-modified'],
    [{ 'if-modified-since': AFTER }, 'not-modified'],
    [{ 'if-modified-since': BEFORE }, 'ok'],
    [{ 'if-modified-since': 'junk' }, 'ok'],
    [{ 'if-unmodified-since': SAME }, 'ok'],
    [{ 'if-unmodified-since': AFTER }, 'ok'],
    [{ 'if-unmodified-since': BEFORE }, 'precondition-failed'],
  ] as const)('judges %j: %s', (headers, verdict) => {
    expect(evaluateRead(parseConditions(headers, '', NOW), object)).toBe(verdict)
  })

  it.each([
    // S3 API, GetObject: the entity tag wins over the date in both pairs.
    [{ 'if-match': ETAG, 'if-unmodified-since': BEFORE }, 'ok'],
    [{ 'if-none-match': ETAG, 'if-modified-since': BEFORE }, 'not-modified'],
    [{ 'if-none-match': '"other"', 'if-modified-since': AFTER }, 'ok'],
    [{ 'if-match': '"other"', 'if-none-match': ETAG }, 'precondition-failed'],
    [{ 'if-match': ETAG, 'if-none-match': ETAG }, 'not-modified'],
  ] as const)('keeps to the order of RFC 9110 for %j: %s', (headers, verdict) => {
    expect(evaluateRead(parseConditions(headers, '', NOW), object)).toBe(verdict)
  })

  it('reads the conditions on the source of a copy from their own headers only', () => {
    const headers = { 'if-match': '"other"', 'x-amz-copy-source-if-none-match': ETAG }
    expect(evaluateRead(parseConditions(headers, 'x-amz-copy-source-', NOW), object)).toBe('not-modified')
    expect(evaluateRead(parseConditions(headers, '', NOW), object)).toBe('precondition-failed')
  })

  it('passes over an If-Modified-Since that is still to come, as AWS does', () => {
    const headers = { 'if-modified-since': httpDate(NOW + 60_000) }
    expect(evaluateRead(parseConditions(headers, '', NOW), object)).toBe('ok')
  })

  it('says which condition does not hold', () => {
    const headers = { 'if-none-match': ETAG, 'if-unmodified-since': BEFORE }
    expect(failedCondition(parseConditions(headers, '', NOW), object)).toBe('If-Unmodified-Since')
    expect(failedCondition(parseConditions({}, '', NOW), object)).toBeUndefined()
  })

  it('judges any header without throwing', () => {
    const header = fc.option(fc.string(), { nil: undefined })
    const headers = fc.record({
      'if-match': header,
      'if-none-match': header,
      'if-modified-since': header,
      'if-unmodified-since': header,
    })
    fc.assert(
      fc.property(headers, (given) => {
        expect(['ok', 'not-modified', 'precondition-failed']).toContain(
          evaluateRead(parseConditions(given, ''), object),
        )
      }),
    )
  })
})

describe('rangeCounts', () => {
  it.each([
    [undefined, true],
    [ETAG, true],
    [ETAG.slice(1, -1), true],
    [`W/${ETAG}`, false],
    ['"other"', false],
    ['*', false],
    ['', false],
    [SAME, true],
    [BEFORE, false],
    [AFTER, false],
  ])('%s: %s', (ifRange, counts) => {
    expect(rangeCounts(ifRange, object)).toBe(counts)
  })
})

describe('matchesEtag', () => {
  it('knows a part count from a plain tag', () => {
    expect(matchesEtag('"abc-2"', '"abc-2"')).toBe(true)
    expect(matchesEtag('"abc"', '"abc-2"')).toBe(false)
  })
})
