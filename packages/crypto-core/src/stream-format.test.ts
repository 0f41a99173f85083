import { isCofferError } from '@coffer/errors'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  newStreamHeader,
  parseStreamHeader,
  plainSizeBytes,
  SEGMENT_SIZE_BYTES,
  sealedRangeOf,
  sealedSizeBytes,
  segmentNonce,
  streamSaltOf,
} from './stream-format.ts'

const withCode = (code: string) => expect.toSatisfy((error) => isCofferError(error, code))
const FIVE_TIB = 5 * 2 ** 40
const size = fc.oneof(
  fc.nat(300_000),
  fc.integer({ min: 0, max: FIVE_TIB }),
  fc
    .tuple(fc.nat(80_000_000), fc.constantFrom(-1, 0, 1))
    .map(([count, off]) => Math.max(0, count * SEGMENT_SIZE_BYTES + off)),
)

describe('sizes', () => {
  it('of plaintext and stream are each the inverse of the other', () => {
    fc.assert(
      fc.property(size, (plain) => {
        expect(plainSizeBytes(sealedSizeBytes(plain))).toBe(plain)
      }),
      { numRuns: 1000 },
    )
  })

  it('of a stream that no plaintext has are refused', () => {
    const isSealedSize = new Set(Array.from({ length: 132_000 }, (_, plain) => sealedSizeBytes(plain)))
    const around = (edge: number): number[] => Array.from({ length: 140 }, (_, index) => edge - 70 + index)
    const refused = withCode('CRYPTO_SEGMENT_TRUNCATED')
    for (const sealed of [...around(48), ...around(48 + 65_552), ...around(48 + 2 * 65_552)]) {
      if (isSealedSize.has(sealed)) expect(sealedSizeBytes(plainSizeBytes(sealed))).toBe(sealed)
      else expect(() => plainSizeBytes(sealed)).toThrow(refused)
    }
  })

  it.each([
    [0, 64],
    [1, 65],
    [65_536, 65_600],
    [65_537, 65_617],
    [131_072, 131_152],
  ])('of %d bytes are those of the format', (plain, sealed) => {
    expect(sealedSizeBytes(plain)).toBe(sealed)
  })

  it.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 48 + 1])('refuse %d bytes', (plain) => {
    expect(() => sealedSizeBytes(plain)).toThrow(withCode('CRYPTO_SIZE_INVALID'))
  })

  it.each([Number.NaN, 70.5])('refuse a stream of %d bytes', (sealed) => {
    expect(() => plainSizeBytes(sealed)).toThrow(/does not exist|no stream/)
  })
})

describe('ranges', () => {
  it('cover what was asked for, in whole segments, and nothing beyond the stream', () => {
    const total = fc.integer({ min: 1, max: FIVE_TIB })
    fc.assert(
      fc.property(
        total,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (plainTotal, from, to) => {
          const offsetBytes = Math.min(plainTotal - 1, Math.floor(plainTotal * from))
          const lengthBytes = Math.max(1, Math.floor((plainTotal - offsetBytes) * to))
          const range = sealedRangeOf(plainTotal, { offsetBytes, lengthBytes })
          expect(range.offsetBytes).toBe(48 + range.firstSegmentIndex * 65_552)
          expect(range.offsetBytes + range.lengthBytes).toBeLessThanOrEqual(sealedSizeBytes(plainTotal))
          expect(range.firstSegmentIndex * SEGMENT_SIZE_BYTES + range.skipBytes).toBe(offsetBytes)
          expect(range.skipBytes).toBeLessThan(SEGMENT_SIZE_BYTES)
          expect(range.takeBytes).toBe(lengthBytes)
          const openedBytes = range.lengthBytes - Math.ceil(range.lengthBytes / 65_552) * 16
          const surplusBytes = openedBytes - range.skipBytes - lengthBytes
          expect(surplusBytes).toBeGreaterThanOrEqual(0)
          expect(surplusBytes).toBeLessThan(SEGMENT_SIZE_BYTES)
        },
      ),
    )
  })

  it.each([
    [10, 0, 11],
    [10, 10, 1],
    [10, -1, 2],
    [10, 0, 0],
    [0, 0, 1],
    [10, Number.NaN, 1],
    [10, 0, Number.NaN],
  ])('of a plaintext of %d bytes refuse offset %d and length %d', (total, offsetBytes, lengthBytes) => {
    expect(() => sealedRangeOf(total, { offsetBytes, lengthBytes })).toThrow(withCode('CRYPTO_SIZE_INVALID'))
  })
})

describe('headers', () => {
  it('say what they were made with, and have a salt of their own', () => {
    const first = newStreamHeader({ algorithm: 'AES-256-GCM', partNumber: 10_000 })
    const second = newStreamHeader({ algorithm: 'AES-256-GCM', partNumber: 10_000 })
    expect(parseStreamHeader(first)).toMatchObject({ algorithm: { id: 1 }, partNumber: 10_000 })
    expect(Buffer.from(first.subarray(0, 16)).toString('hex')).toBe('434f4652010110000000271000000000')
    expect(first.subarray(0, 16)).toEqual(second.subarray(0, 16))
    expect(Buffer.compare(streamSaltOf(first), streamSaltOf(second))).not.toBe(0)
    expect(Buffer.compare(streamSaltOf(first), first.subarray(16))).toBe(0)
  })

  it('are read at any place of a larger buffer', () => {
    const around = Buffer.alloc(100, 255)
    around.set(newStreamHeader({ algorithm: 'AES-256-GCM', partNumber: 7 }), 13)
    expect(parseStreamHeader(around.subarray(13, 61)).partNumber).toBe(7)
  })

  it.each([0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 14, 15])('with another byte at %d are refused', (offset) => {
    const header = newStreamHeader({ algorithm: 'AES-256-GCM', partNumber: 0 })
    header[offset] = (header[offset] ?? 0) ^ 0x10
    expect(() => streamSaltOf(header)).toThrow(withCode('CRYPTO_HEADER_UNKNOWN'))
  })

  it.each([0, 1, 47, 49])('of %d bytes are refused', (length) => {
    const header = Buffer.concat([newStreamHeader({ algorithm: 'AES-256-GCM', partNumber: 0 }), Buffer.alloc(1)])
    expect(() => parseStreamHeader(header.subarray(0, length))).toThrow(withCode('CRYPTO_HEADER_UNKNOWN'))
  })
})

it('nonces are the counter and the final byte, each pair another', () => {
  expect(segmentNonce(0, false).toString('hex')).toBe('000000000000000000000000')
  expect(segmentNonce(0x01020304, true).toString('hex')).toBe('000000000000000102030401')
  expect(segmentNonce(2 ** 32 - 1, false).toString('hex')).toBe('00000000000000ffffffff00')
  expect(() => segmentNonce(2 ** 32, false)).toThrow(RangeError)
  expect(() => segmentNonce(-1, false)).toThrow(RangeError)
})
