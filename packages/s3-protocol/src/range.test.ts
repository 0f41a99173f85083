import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { S3Error } from './errors.ts'
import { parseCopySourceRange, parseRange } from './range.ts'

describe('parseRange', () => {
  it.each([
    ['bytes=0-0', 0, 1],
    ['bytes=0-', 0, 10],
    ['bytes=3-6', 3, 4],
    ['bytes=9-', 9, 1],
    ['bytes=5-100', 5, 5],
    ['bytes=-3', 7, 3],
    ['bytes=-10', 0, 10],
    ['bytes=-99999999999999999999999', 0, 10],
    ['bytes=0-99999999999999999999999', 0, 10],
    ['Bytes=1-2', 1, 2],
  ])('reads %s of 10 bytes', (header, offsetBytes, lengthBytes) => {
    expect(parseRange(header, 10)).toEqual({ offsetBytes, lengthBytes })
  })

  it.each([
    undefined,
    '',
    'bytes=',
    'bytes=-',
    'bytes=5-3',
    'bytes=0-1,3-4',
    'bytes=a-b',
    'items=0-1',
    'bytes = 0-1',
    '0-1',
  ])('gives the whole object for %s', (header) => {
    expect(parseRange(header, 10)).toBeUndefined()
  })

  it.each([
    ['bytes=10-', 10],
    ['bytes=10-20', 10],
    ['bytes=-0', 10],
    ['bytes=0-', 0],
    ['bytes=-5', 0],
    ['bytes=99999999999999999999999-', 10],
  ])('refuses %s of %i bytes', (header, sizeBytes) => {
    expect(() => parseRange(header, sizeBytes)).toThrow(
      expect.objectContaining({
        code: 'InvalidRange',
        status: 416,
        headers: { 'content-range': `bytes */${sizeBytes}` },
      }),
    )
  })

  it('never reaches outside the object', () => {
    const number = fc.oneof(fc.constant(''), fc.nat({ max: 30 }).map(String), fc.bigInt({ min: 0n }).map(String))
    fc.assert(
      fc.property(number, number, fc.nat({ max: 20 }), (first, last, sizeBytes) => {
        const range = orError(() => parseRange(`bytes=${first}-${last}`, sizeBytes))
        if (range === undefined || range instanceof Error) return
        expect(range.lengthBytes).toBeGreaterThan(0)
        expect(range.offsetBytes).toBeGreaterThanOrEqual(0)
        expect(range.offsetBytes + range.lengthBytes).toBeLessThanOrEqual(sizeBytes)
      }),
    )
  })
})

describe('parseCopySourceRange', () => {
  it('takes all of the source without a header, and exactly what it says with one', () => {
    expect(parseCopySourceRange(undefined, 10)).toEqual({ offsetBytes: 0, lengthBytes: 10 })
    expect(parseCopySourceRange('bytes=0-9', 10)).toEqual({ offsetBytes: 0, lengthBytes: 10 })
    expect(parseCopySourceRange('bytes=4-4', 10)).toEqual({ offsetBytes: 4, lengthBytes: 1 })
  })

  it.each([
    '',
    'bytes=0-',
    'bytes=-1',
    'bytes=3-2',
    'bytes=0-10',
    'bytes=0-99999999999999999999',
    'bytes=0-1,2-3',
    '0-1',
  ])('refuses %j of 10 bytes', (header) => {
    expect(() => parseCopySourceRange(header, 10)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
  })

  it('has another error for a range of which nothing is there', () => {
    const code = 'InvalidRequest'
    expect(() => parseCopySourceRange('bytes=10-10', 10)).toThrow(expect.objectContaining({ code }))
    expect(() => parseCopySourceRange('bytes=0-0', 0)).toThrow(expect.objectContaining({ code }))
  })
})

function orError<T>(run: () => T): T | S3Error {
  try {
    return run()
  } catch (error) {
    if (error instanceof S3Error) return error
    throw error
  }
}
