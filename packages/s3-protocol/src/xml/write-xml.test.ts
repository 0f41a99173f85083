import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseXml } from './parse-xml.ts'
import { readRendered } from './read-rendered.ts'
import { element, escapeXml, urlEncode, xmlDocument } from './write-xml.ts'

/** Any UTF-16: control characters, emoji, lone surrogates. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme' }),
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
  fc.string({ unit: fc.constantFrom('&', '<', '>', '"', "'", '\r', '\n', '\t', ']]>', '\u0085', '\u2028', '\ud800') }),
)
/** XML 1.0, section 2.2. */
const XML_CHARACTERS = /^[\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]*$/u

describe('escapeXml', () => {
  it.each([
    ['plain/name-1.txt', 'plain/name-1.txt'],
    ['"etag"', '&quot;etag&quot;'],
    [`a&b<c>d'e`, 'a&amp;b&lt;c&gt;d&#39;e'],
    ['\r\n\t', '&#xd;&#xa;&#x9;'],
    ['\u0001\u007f\u0085\u2028', '&#x1;&#x7f;&#x85;&#x2028;'],
    ['😀é東', '😀é東'],
    ['\ud800', '\ufffd'],
    ['\uffff', '&#xffff;'],
  ])('writes %j as %s', (text, escaped) => {
    expect(escapeXml(text)).toBe(escaped)
  })

  it('lets any text read back the same, lone surrogates as U+FFFD', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(readRendered(xmlDocument('Root', element('Key', text))).children[0]?.text).toBe(text.toWellFormed())
      }),
      { numRuns: 1000 },
    )
  })

  it('writes well-formed XML of every text that XML can hold', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        fc.pre(XML_CHARACTERS.test(text.toWellFormed()))
        const document = parseXml(Buffer.from(xmlDocument('Root', element('Key', text))), 'Root')
        expect(document.children[0]?.text).toBe(text.toWellFormed())
      }),
      { numRuns: 1000 },
    )
  })
})

describe('urlEncode', () => {
  it.each([
    ['test_file(3).png', 'test_file%283%29.png'],
    ['a/b c+d', 'a/b%20c%2Bd'],
    ['é', '%C3%A9'],
    ['\u0001\n', '%01%0A'],
    ["!#$&'()*,:;=?@", '%21%23%24%26%27%28%29%2A%2C%3A%3B%3D%3F%40'],
    ['\ud800', '%EF%BF%BD'],
  ])('writes %j as %s', (text, encoded) => {
    expect(urlEncode(text)).toBe(encoded)
  })

  it('lets any name read back as a form field, and needs no escaping', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const encoded = urlEncode(text)
        expect(decodeURIComponent(encoded)).toBe(text.toWellFormed())
        expect(decodeURIComponent(encoded.replaceAll('+', ' '))).toBe(text.toWellFormed())
        expect(escapeXml(encoded)).toBe(encoded)
      }),
      { numRuns: 1000 },
    )
  })
})

describe('element', () => {
  it('leaves out what has no value, and shows what is empty, zero or false', () => {
    expect([element('A', undefined), element('A', ''), element('A', 0), element('A', false)]).toEqual([
      '',
      '<A></A>',
      '<A>0</A>',
      '<A>false</A>',
    ])
  })
})
