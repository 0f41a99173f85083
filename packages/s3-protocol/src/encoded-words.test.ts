import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toEncodedWords } from './encoded-words.ts'

/** As node:http hands over the bytes of a header. */
const asHeader = (text: string): string => Buffer.from(text).toString('latin1')

const decode = (value: string): string =>
  value
    .split(' ')
    .map((word) => Buffer.from(/^=\?UTF-8\?B\?([A-Za-z0-9+/=]*)\?=$/.exec(word)?.[1] ?? '', 'base64').toString())
    .join('')

describe('toEncodedWords', () => {
  it('leaves US-ASCII as it is, encoded words of the client too', () => {
    for (const value of ['', 'plain text', '=?UTF-8?Q?=C3=A9?=']) expect(toEncodedWords(value)).toBe(value)
  })

  it('encodes UTF-8, and bytes that are none as ISO 8859-1', () => {
    expect(toEncodedWords(asHeader('é'))).toBe('=?UTF-8?B?w6k=?=')
    expect(toEncodedWords('\xe9')).toBe('=?UTF-8?B?w6k=?=')
  })

  it('keeps any text, in words of at most 75 characters each', () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 200 }).map((value) => `é${value}`)
    fc.assert(
      fc.property(text, (value) => {
        const words = toEncodedWords(asHeader(value))
        expect(decode(words)).toBe(value)
        expect(Math.max(...words.split(' ').map((word) => word.length))).toBeLessThanOrEqual(75)
      }),
    )
  })

  it('makes a legal header value of any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(toEncodedWords(Buffer.from(bytes).toString('latin1'))).toMatch(/^[\x20-\x7e]*$/)
      }),
    )
  })
})
