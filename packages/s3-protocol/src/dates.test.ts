import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { httpDate, iso8601, parseHttpDate } from './dates.ts'

const YEAR_9999_MS = Date.UTC(9999, 11, 31)
const times = fc.integer({ min: 0, max: YEAR_9999_MS })

describe('iso8601', () => {
  const shownByDate = (atMs: number): string => new Date(Math.floor(atMs / 1000) * 1000).toISOString()

  it('shows every time as Date does, in whole seconds, whatever day came before', () => {
    fc.assert(fc.property(times, (atMs) => iso8601(atMs) === shownByDate(atMs)))
    const day = Date.UTC(2024, 1, 29)
    for (const atMs of [day, day + 1, day + 59_999, day + 86_399_999, day + 86_400_000, -1]) {
      expect(iso8601(atMs)).toBe(shownByDate(atMs))
    }
  })
})

describe('httpDate', () => {
  it('shows every time as Date does, whatever day came before', () => {
    const shownByDate = (atMs: number): string => new Date(atMs).toUTCString()
    fc.assert(fc.property(times, (atMs) => httpDate(atMs) === shownByDate(atMs)))
    const day = Date.UTC(2024, 1, 29)
    for (const atMs of [day, day + 1, day + 59_999, day + 86_399_999, day + 86_400_000, -1]) {
      expect(httpDate(atMs)).toBe(shownByDate(atMs))
    }
  })
})

describe('parseHttpDate', () => {
  const sample = Date.UTC(1994, 10, 6, 8, 49, 37)

  it.each([
    ['the form in use', 'Sun, 06 Nov 1994 08:49:37 GMT'],
    ['RFC 850', 'Sunday, 06-Nov-94 08:49:37 GMT'],
    ['asctime', 'Sun Nov  6 08:49:37 1994'],
    ['ISO 8601', '1994-11-06T08:49:37Z'],
    ['ISO 8601 with milliseconds', '1994-11-06T08:49:37.123Z'],
  ])('reads %s as UTC', (_, text) => {
    expect(parseHttpDate(text)).toBe(sample)
  })

  it.each([
    '',
    '1',
    'yesterday',
    '1994-11-06',
    'Sun, 06 Nov 1994 08:49:37',
    'Sun, 06 Nov 1994 08:49:37 CET',
    'Fri, 30 Feb 2024 00:00:00 GMT',
    'Sun, 06 Nov 1994 24:00:00 GMT',
    ' Sun, 06 Nov 1994 08:49:37 GMT',
  ])('takes %j for no date', (text) => {
    expect(parseHttpDate(text)).toBeUndefined()
  })

  it('reads back what httpDate and iso8601 write, in whole seconds', () => {
    fc.assert(
      fc.property(times, (atMs) => {
        const seconds = Math.floor(atMs / 1000) * 1000
        return parseHttpDate(httpDate(atMs)) === seconds && parseHttpDate(iso8601(atMs)) === seconds
      }),
    )
  })

  it('never throws', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(['number', 'undefined']).toContain(typeof parseHttpDate(text))
      }),
    )
  })
})
