import { describe, expect, it } from 'vitest'
import {
  expirationHeader,
  expirationOf,
  loneMarkerExpirationOf,
  midnightAfter,
  noncurrentExpirationOf,
  uploadAbortOf,
} from './due-times.ts'
import type { LifecycleFilter, LifecycleObject, LifecycleRule } from './lifecycle-rules.ts'

const MADE = Date.UTC(2014, 0, 15, 10, 30)
const object: LifecycleObject = {
  key: 'logs/a',
  sizeBytes: 100,
  lastModifiedAt: MADE,
  isDeleteMarker: false,
  tags: { a: '1', b: '2' },
}
const ruleOf = (
  filter: LifecycleFilter,
  more: Partial<LifecycleRule> = { expiration: { days: 3 } },
): LifecycleRule => ({
  id: 'r',
  isEnabled: true,
  filter,
  ...more,
})

describe('midnightAfter', () => {
  it("is S3's own example: three days after 10:30 on 15 January is midnight of the 19th", () => {
    expect(midnightAfter(MADE, 3)).toBe(Date.UTC(2014, 0, 19))
    expect(midnightAfter(Date.UTC(2014, 0, 15), 1)).toBe(Date.UTC(2014, 0, 16))
    expect(new Date(midnightAfter(MADE, 2_147_483_647)).toString()).not.toBe('Invalid Date')
  })
})

describe('expirationOf', () => {
  it.each<[LifecycleFilter, boolean]>([
    [{}, true],
    [{ prefix: '' }, true],
    [{ prefix: 'logs/' }, true],
    [{ prefix: 'logs/b' }, false],
    [{ tags: { a: '1' } }, true],
    [{ tags: { a: '1', b: '2' } }, true],
    [{ tags: { a: '2' } }, false],
    [{ tags: { c: '' } }, false],
    [{ tags: { constructor: '' } }, false],
    [{ sizeBytesGreaterThan: 99 }, true],
    [{ sizeBytesGreaterThan: 100 }, false],
    [{ sizeBytesLessThan: 101 }, true],
    [{ sizeBytesLessThan: 100 }, false],
    [{ prefix: 'logs/', tags: { a: '1' }, sizeBytesGreaterThan: 5, sizeBytesLessThan: 200 }, true],
    [{ prefix: 'other/', tags: { a: '1' } }, false],
  ])('with the filter %j: %s', (filter, isAbout) => {
    expect(expirationOf([ruleOf(filter)], object) !== undefined).toBe(isAbout)
  })

  it('is that of the earliest rule that is enabled', () => {
    const rules = [
      ruleOf({}, { id: 'late', expiration: { days: 30 } }),
      ruleOf({}, { id: 'early', expiration: { days: 3 } }),
      ruleOf({}, { id: 'off', isEnabled: false, expiration: { days: 1 } }),
    ]
    expect(expirationOf(rules, object)).toEqual({ at: Date.UTC(2014, 0, 19), ruleId: 'early' })
    const dated = ruleOf({}, { id: 'date', expiration: { dateAt: Date.UTC(2014, 0, 16) } })
    expect(expirationOf([...rules, dated], object)?.ruleId).toBe('date')
  })

  it('takes tags that are not known yet for fitting, and leaves delete markers alone', () => {
    const tagged = [ruleOf({ tags: { z: '9' } })]
    expect(expirationOf(tagged, { ...object, tags: 'unknown' })).toBeDefined()
    expect(expirationOf([ruleOf({})], { ...object, isDeleteMarker: true })).toBeUndefined()
    expect(expirationOf([ruleOf({}, { expiration: { expiredObjectDeleteMarker: true } })], object)).toBeUndefined()
  })

  it('of the older form goes by its prefix', () => {
    const { filter: _, ...old } = ruleOf({})
    expect(expirationOf([{ ...old, prefix: 'logs/' }], object)).toBeDefined()
    expect(expirationOf([{ ...old, prefix: 'x' }], object)).toBeUndefined()
  })
})

describe('loneMarkerExpirationOf', () => {
  const marker: LifecycleObject = { ...object, isDeleteMarker: true, sizeBytes: 0, tags: {} }

  it('is at once where the rule says so, else the age that objects get', () => {
    const atOnce = ruleOf({ prefix: 'logs/' }, { expiration: { expiredObjectDeleteMarker: true } })
    expect(loneMarkerExpirationOf([atOnce], marker)?.at).toBe(MADE)
    expect(loneMarkerExpirationOf([ruleOf({})], marker)?.at).toBe(Date.UTC(2014, 0, 19))
    const never = ruleOf({}, { expiration: { expiredObjectDeleteMarker: false } })
    expect(loneMarkerExpirationOf([never], marker)).toBeUndefined()
    expect(loneMarkerExpirationOf([ruleOf({ sizeBytesLessThan: 5 })], marker)).toBeUndefined()
  })
})

describe('noncurrentExpirationOf', () => {
  it('counts from when the version became noncurrent, and keeps the newest', () => {
    const since = MADE + 86_400_000
    const days = ruleOf({}, { noncurrentVersionExpiration: { noncurrentDays: 3 } })
    expect(noncurrentExpirationOf([days], object, since, 0)?.at).toBe(Date.UTC(2014, 0, 20))
    const limits = { noncurrentDays: 3, newerNoncurrentVersions: 2 }
    const kept = ruleOf({}, { noncurrentVersionExpiration: limits })
    expect([0, 1, 2, 3].map((newer) => noncurrentExpirationOf([kept], object, since, newer) !== undefined)).toEqual([
      false,
      false,
      true,
      true,
    ])
    expect(noncurrentExpirationOf([ruleOf({})], object, since, 9)).toBeUndefined()
  })
})

describe('uploadAbortOf', () => {
  it('goes by prefix and age', () => {
    const rule = ruleOf({ prefix: 'logs/' }, { abortIncompleteMultipartUpload: { daysAfterInitiation: 3 } })
    expect(uploadAbortOf([rule], { key: 'logs/x', initiatedAt: MADE })?.at).toBe(Date.UTC(2014, 0, 19))
    expect(uploadAbortOf([rule], { key: 'x', initiatedAt: MADE })).toBeUndefined()
  })
})

describe('expirationHeader', () => {
  it('shows date and rule as S3 does', () => {
    expect(expirationHeader({ at: Date.UTC(2014, 0, 19), ruleId: 'old "logs"' })).toBe(
      'expiry-date="Sun, 19 Jan 2014 00:00:00 GMT", rule-id="old%20%22logs%22"',
    )
  })
})
