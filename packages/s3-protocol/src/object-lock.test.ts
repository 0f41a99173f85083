import { describe, expect, it } from 'vitest'
import {
  asksForBypass,
  assertHasDigest,
  objectLockHeaders,
  parseObjectLockHeaders,
  parseRetainUntil,
  retentionFrom,
} from './object-lock.ts'

const NOW = Date.UTC(2026, 0, 1)
const UNTIL = '2027-01-01T00:00:00Z'
const mode = (text: string) => ({ 'x-amz-object-lock-mode': text })
const until = (text: string) => ({ 'x-amz-object-lock-retain-until-date': text })
const hold = (text: string) => ({ 'x-amz-object-lock-legal-hold': text })

describe('parseObjectLockHeaders', () => {
  it('reads retention and legal hold, each for itself', () => {
    const retention = { mode: 'GOVERNANCE', retainUntilAt: Date.UTC(2027, 0, 1) }
    expect(parseObjectLockHeaders({ 'content-type': 'x' }, NOW)).toBeUndefined()
    expect(parseObjectLockHeaders({ ...mode('GOVERNANCE'), ...until(UNTIL) }, NOW)).toEqual({ retention })
    expect(parseObjectLockHeaders(hold('ON'), NOW)).toEqual({ legalHold: 'ON' })
    const both = parseObjectLockHeaders({ ...mode('GOVERNANCE'), ...until(UNTIL), ...hold('OFF') }, NOW)
    expect(both).toEqual({ retention, legalHold: 'OFF' })
  })

  it.each([
    [mode('GOVERNANCE')],
    [until(UNTIL)],
    [{ ...mode('governance'), ...until(UNTIL) }],
    [{ ...mode('GOVERNANCE'), ...until('tomorrow') }],
    [{ ...mode('GOVERNANCE'), ...until('2027-02-30T00:00:00Z') }],
    [{ ...mode('COMPLIANCE'), ...until('2026-01-01T00:00:00Z') }],
    [{ ...mode('COMPLIANCE'), ...until('') }],
    [hold('on')],
    [hold('')],
  ])('refuses %j', (headers) => {
    expect(() => parseObjectLockHeaders(headers, NOW)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
  })

  it('reads back what it shows', () => {
    const lock = { retention: { mode: 'COMPLIANCE', retainUntilAt: NOW + 1000 }, legalHold: 'ON' } as const
    expect(parseObjectLockHeaders(objectLockHeaders(lock), NOW)).toEqual(lock)
    expect(objectLockHeaders(undefined)).toEqual({})
  })
})

describe('a retain-until date', () => {
  it('never comes out earlier than it was written', () => {
    expect(parseRetainUntil('2027-01-01T00:00:00.000Z')).toBe(Date.UTC(2027, 0, 1))
    expect(parseRetainUntil('2027-01-01T00:00:00.001Z')).toBe(Date.UTC(2027, 0, 1, 0, 0, 1))
    expect(parseRetainUntil('Fri, 01 Jan 2027 00:00:00 GMT')).toBeUndefined()
  })

  it('of a default is whole seconds, days of 24 hours and years of the calendar', () => {
    expect(retentionFrom({ mode: 'GOVERNANCE', days: 2 }, NOW + 1).retainUntilAt).toBe(NOW + 1000 + 2 * 86_400_000)
    expect(retentionFrom({ mode: 'COMPLIANCE', years: 3 }, NOW)).toEqual({
      mode: 'COMPLIANCE',
      retainUntilAt: Date.UTC(2029, 0, 1),
    })
  })
})

describe('asksForBypass', () => {
  it('is a plain yes only', () => {
    const header = (text: string) => ({ 'x-amz-bypass-governance-retention': text })
    expect([{}, header('false'), header('true'), header('True')].map(asksForBypass)).toEqual([false, false, true, true])
    expect(() => asksForBypass(header('yes'))).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
  })
})

describe('assertHasDigest', () => {
  it('wants a digest of any kind', () => {
    for (const name of ['content-md5', 'x-amz-checksum-crc32', 'x-amz-trailer']) {
      expect(() => assertHasDigest({ [name]: 'x' })).not.toThrow()
    }
    expect(() => assertHasDigest({ 'content-length': '1' })).toThrow(
      expect.objectContaining({ code: 'InvalidRequest' }),
    )
  })
})
