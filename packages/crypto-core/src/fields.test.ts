import { isCofferError } from '@coffer/errors'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeContext, encodeFields } from './fields.ts'

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const refused = (error: unknown): boolean => isCofferError(error, 'CRYPTO_FIELD_INVALID')
const text = fc.string({ unit: 'binary', maxLength: 20 })

describe('fields', () => {
  it('are lengths and bytes, as in the example of the format', () => {
    expect(hexOf(encodeFields('ab', 7))).toBe('0000000261620000000137')
    expect(hexOf(encodeFields(true, false, Uint8Array.of(9), -5, 'é'))).toBe(
      '0000000131000000013000000001090000'.concat('00022d3500000002c3a9'),
    )
    expect(hexOf(encodeFields())).toBe('')
  })

  it('of two different lists of text never are the same bytes', () => {
    const list = fc.array(fc.string({ unit: fc.constantFrom('', 'a', '\0', '\x01', '0000'), maxLength: 4 }), {
      maxLength: 4,
    })
    fc.assert(
      fc.property(list, list, (first, second) => {
        const isSame = JSON.stringify(first) === JSON.stringify(second)
        expect(hexOf(encodeFields(...first)) === hexOf(encodeFields(...second))).toBe(isSame)
      }),
      { numRuns: 1000 },
    )
  })

  it('do not share memory with those encoded next', () => {
    const first = encodeFields('first')
    encodeFields('other')
    expect(hexOf(first)).toBe(hexOf(encodeFields('first')))
  })

  it('may be longer than the scratch that they are written to', () => {
    const long = 'ü'.repeat(100_000)
    const encoded = Buffer.from(encodeFields('before', long, Buffer.alloc(50_000, 1), 'after'))
    expect(encoded.length).toBe(4 * 4 + 6 + 200_000 + 50_000 + 5)
    expect(encoded.subarray(14, 200_014).toString()).toBe(long)
    expect(encoded.subarray(-5).toString()).toBe('after')
  })

  it.each(['\ud800', 'a\udc00b', '\udc00\ud800'])('refuse the lone surrogate in %j', (value) => {
    expect(() => encodeFields(value)).toThrow(expect.toSatisfy(refused))
    expect(() => encodeContext({ [value]: '' })).toThrow(expect.toSatisfy(refused))
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY, 0.5, 2 ** 53])(
    'refuse the number %d, which is no integer',
    (value) => {
      expect(() => encodeFields(value)).toThrow(expect.toSatisfy(refused))
    },
  )
})

describe('contexts', () => {
  it('do not depend on the order in which they were written', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(text, text), { selector: ([name]) => name, maxLength: 8 }), (pairs) => {
        const turned = Object.fromEntries([...pairs].reverse())
        expect(hexOf(encodeContext(Object.fromEntries(pairs)))).toBe(hexOf(encodeContext(turned)))
      }),
    )
  })

  it('sort by UTF-8 bytes, not by UTF-16 units', () => {
    // U+FF5E is before U+1F3D6 in UTF-8 (ef... < f0...), and after it in UTF-16 (ff5e > d83c).
    expect(hexOf(encodeContext({ '🏖': '1', '～': '2' }))).toBe(hexOf(encodeFields('～', '2', '🏖', '1')))
  })

  it('of different maps are different', () => {
    const map = fc.dictionary(fc.constantFrom('a', 'b', 'ab'), fc.constantFrom('', 'a', 'b', 'ab'), { maxKeys: 3 })
    const sorted = (value: Readonly<Record<string, string>>): string => JSON.stringify(Object.entries(value).sort())
    fc.assert(
      fc.property(map, map, (first, second) => {
        expect(hexOf(encodeContext(first)) === hexOf(encodeContext(second))).toBe(sorted(first) === sorted(second))
      }),
    )
  })
})
