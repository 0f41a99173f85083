import { describe, expect, it } from 'vitest'
import { duration, durationText, positiveInteger, sizeOf, sizeText } from './quantities.ts'

describe('quantities', () => {
  it('of time and size are read with their units', () => {
    expect([duration('45s'), duration('2m'), duration('3h'), duration('90d')]).toEqual([
      45_000, 120_000, 10_800_000, 7_776_000_000,
    ])
    expect([sizeOf('0'), sizeOf('4096'), sizeOf('64KiB'), sizeOf('5TiB')]).toEqual([0, 4096, 65_536, 5 * 2 ** 40])
    expect(positiveInteger('12')).toBe(12)
  })

  it('that mean nothing are refused', () => {
    for (const text of ['', '12', 'd', '-1d', '1.5h', '1w', '9999999999d']) expect(() => duration(text)).toThrow()
    for (const text of ['', '-1', '1kb', '1 MiB', '1e3', '9999999999999TiB']) expect(() => sizeOf(text)).toThrow()
    for (const text of ['', '0', '-1', '1.5', 'x', '1e3']) expect(() => positiveInteger(text)).toThrow()
  })

  it('are written for people', () => {
    expect([sizeText(0), sizeText(1023), sizeText(1536), sizeText(5 * 2 ** 40)]).toEqual([
      '0 B',
      '1023 B',
      '1.5 KiB',
      '5.0 TiB',
    ])
    expect([durationText(900), durationText(61_000), durationText(3_720_000)]).toEqual([
      '1 s',
      '1 min 1 s',
      '1 h 2 min',
    ])
  })
})
