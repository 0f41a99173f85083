import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { S3Error } from '../errors.ts'
import { findBoolean, findChild, parseXml } from './parse-xml.ts'

const parse = (document: string): ReturnType<typeof parseXml> => parseXml(Buffer.from(document), 'Delete')
const malformed = expect.objectContaining({ code: 'MalformedXML', status: 400 })

describe('parseXml', () => {
  it('reads elements, text, character data, the five entities and references', () => {
    const document =
      '\ufeff<?xml version="1.0" encoding="UTF-8"?>\n<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">\n' +
      ' <Key>a&amp;&lt;&gt;&quot;&apos;&#65;&#x1F600;<![CDATA[<b>&amp;]]></Key><!-- c --><Empty/>\n</Delete>\n'
    expect(parse(document)).toMatchObject({
      name: 'Delete',
      children: [
        { name: 'Key', text: 'a&<>"\'A😀<b>&amp;', children: [] },
        { name: 'Empty', text: '', children: [] },
      ],
    })
  })

  it('goes by local names, whatever the prefix', () => {
    expect(parse('<s3:Delete xmlns:s3="urn:x"><s3:Key>a</s3:Key></s3:Delete>').children).toMatchObject([
      { name: 'Key' },
    ])
  })

  it.each([
    ['a document type', '<!DOCTYPE Delete><Delete/>'],
    ['an internal subset', '<!DOCTYPE Delete [<!ENTITY a "b">]><Delete>&a;</Delete>'],
    ['an external entity', '<!DOCTYPE Delete [<!ENTITY a SYSTEM "file:///etc/passwd">]><Delete>&a;</Delete>'],
    ['an unknown entity', '<Delete>&nbsp;</Delete>'],
    ['a bare ampersand', '<Delete>a & b</Delete>'],
    ['a reference to a control character', '<Delete>&#1;</Delete>'],
    ['a reference to NUL', '<Delete>&#0;</Delete>'],
    ['a reference to a surrogate', '<Delete>&#xd800;</Delete>'],
    ['a control character', '<Delete>\u0001</Delete>'],
    ['an element that is not closed', '<Delete>'],
    ['elements that overlap', '<Delete><a><b></a></b></Delete>'],
    ['an end tag too many', '<Delete></Delete></Delete>'],
    ['two roots', '<Delete/><Delete/>'],
    ['text after the root', '<Delete/>x'],
    ['text before the root', 'x<Delete/>'],
    ['text beside elements', '<Delete>x<Key>a</Key></Delete>'],
    ['an attribute given twice', '<Delete a="1" a="2"/>'],
    ['an attribute without quotes', '<Delete a=1/>'],
    ['a < in an attribute', '<Delete a="<"/>'],
    ['an unbound prefix', '<s3:Delete/>'],
    ['a name that is none', '<1Delete/>'],
    ['the end of character data in text', '<Delete>]]></Delete>'],
    ['two dashes in a comment', '<Delete><!-- a -- b --></Delete>'],
    ['a late declaration', ' <?xml version="1.0"?><Delete/>'],
    ['another encoding', '<?xml version="1.0" encoding="ISO-8859-1"?><Delete/>'],
    ['another root', '<Remove/>'],
    ['nothing but space', ' '],
    ['no XML at all', '{"Delete":{}}'],
    ['deep nesting', `<Delete>${'<a>'.repeat(16)}${'</a>'.repeat(16)}</Delete>`],
    ['too many elements', `<Delete>${'<a/>'.repeat(100_000)}</Delete>`],
  ])('refuses %s', (_, document) => {
    expect(() => parse(document)).toThrow(malformed)
  })

  it('refuses bytes that are no UTF-8, and an empty body by its own code', () => {
    expect(() => parseXml(Buffer.from('<Delete>\xff</Delete>', 'latin1'), 'Delete')).toThrow(malformed)
    expect(() => parseXml(new Uint8Array(), 'Delete')).toThrow(
      expect.objectContaining({ code: 'MissingRequestBodyError' }),
    )
  })

  it('throws nothing but S3 errors, whatever the bytes', () => {
    const piece = fc.constantFrom(
      ...[
        '<',
        '>',
        '</',
        '/>',
        'Delete',
        '<Delete>',
        '</Delete>',
        '<a>',
        '</a>',
        '&',
        ';',
        '&#x',
        '"',
        "'",
        '=',
        ' ',
        'a',
      ],
      ...[
        '<!--',
        '-->',
        '<![CDATA[',
        ']]>',
        '<?xml',
        '?>',
        '<!DOCTYPE',
        '[',
        ']',
        'xmlns:a=',
        'a:',
        '\0',
        '\u00e9',
        '😀',
      ],
    )
    const documents = fc.oneof(
      fc.array(piece, { maxLength: 20 }).map((pieces) => Buffer.from(pieces.join(''))),
      fc.array(piece, { maxLength: 12 }).map((pieces) => Buffer.from(`<Delete>${pieces.join('')}</Delete>`)),
      fc.uint8Array({ maxLength: 60 }),
    )
    fc.assert(
      fc.property(documents, (bytes) => {
        try {
          expect(parseXml(bytes, 'Delete').name).toBe('Delete')
        } catch (error) {
          expect(error).toBeInstanceOf(S3Error)
        }
      }),
      { numRuns: 2000 },
    )
  })
})

describe('what is looked up in an element', () => {
  it('is there once or not at all', () => {
    expect(findChild(parse('<Delete><a>1</a></Delete>'), 'a')?.text).toBe('1')
    expect(findChild(parse('<Delete/>'), 'a')).toBeUndefined()
    expect(() => findChild(parse('<Delete><a/><a/></Delete>'), 'a')).toThrow(malformed)
  })

  it('is true or false where it is said to be', () => {
    const read = (text: string) => findBoolean(parse(`<Delete><a>${text}</a></Delete>`), 'a')
    expect([read('true'), read(' 1 '), read('false'), read('0')]).toEqual([true, true, false, false])
    for (const text of ['', 'yes', 'TRUE']) expect(() => read(text)).toThrow(malformed)
  })
})
