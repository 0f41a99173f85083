import { expect, it } from 'vitest'
import { TokenBuckets } from './token-buckets.ts'

it('lets a burst through, then as many as flow in, and tells how long to wait', () => {
  let now = 0
  const buckets = new TokenBuckets({ perSecond: 10, burst: 3, now: () => now })
  expect([1, 2, 3].map(() => buckets.take('a'))).toEqual([0, 0, 0])
  expect(buckets.take('a')).toBeCloseTo(100)
  expect(buckets.take('b')).toBe(0)
  now = 100
  expect(buckets.take('a')).toBe(0)
  expect(buckets.take('a')).toBeGreaterThan(0)
  now = 1_000_000
  expect([1, 2, 3, 4].map(() => buckets.take('a') === 0)).toEqual([true, true, true, false])
})

it('holds no more names than it may', () => {
  const buckets = new TokenBuckets({ perSecond: 1, burst: 1, now: () => 0 })
  expect(buckets.take('first')).toBe(0)
  expect(buckets.take('first')).toBeGreaterThan(0)
  for (let index = 0; index < 100_000; index++) buckets.take(`other-${index}`)
  expect(buckets.take('first')).toBe(0)
})
