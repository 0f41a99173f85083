import { describe, expect, it } from 'vitest'
import { parseXml } from './parse-xml.ts'
import { readRendered, textsOf } from './read-rendered.ts'
import { parseTaggingDocument, parseTags, renderTagging } from './tagging-documents.ts'

const tag = (key: string, value: string): string => `<Tag><Key>${key}</Key><Value>${value}</Value></Tag>`
const tagging = (tags: string): Buffer => Buffer.from(`<Tagging><TagSet>${tags}</TagSet></Tagging>`)
const many = (count: number): string => Array.from({ length: count }, (_, index) => tag(`k${index}`, 'v')).join('')

describe('parseTaggingDocument', () => {
  it('reads tags in their order, whatever their names', () => {
    const tags = parseTaggingDocument(tagging(tag('b', '1') + tag('__proto__', 'x') + tag('a', '')), 'object')
    expect(Object.entries(tags)).toEqual([
      ['b', '1'],
      ['__proto__', 'x'],
      ['a', ''],
    ])
  })

  it('counts characters in UTF-16 units, as S3 does', () => {
    const astral = '\u{20000}'
    expect(() => parseTaggingDocument(tagging(tag(astral.repeat(64), astral.repeat(128))), 'object')).not.toThrow()
    expect(() => parseTaggingDocument(tagging(tag(astral.repeat(65), '')), 'object')).toThrow(
      expect.objectContaining({ code: 'InvalidTag' }),
    )
  })

  it('takes 10 tags of an object and 50 of a bucket, and no more', () => {
    expect(Object.keys(parseTaggingDocument(tagging(many(10)), 'object'))).toHaveLength(10)
    expect(Object.keys(parseTaggingDocument(tagging(many(50)), 'bucket'))).toHaveLength(50)
    for (const [count, kind] of [
      [11, 'object'],
      [51, 'bucket'],
    ] as const) {
      const parse = (): unknown => parseTaggingDocument(tagging(many(count)), kind)
      expect(parse).toThrow(expect.objectContaining({ code: 'BadRequest' }))
    }
  })

  it.each([
    [tag('a', '1') + tag('a', '2'), 'InvalidTag'],
    [tag('', '1'), 'InvalidTag'],
    [tag('aws:x', '1'), 'InvalidTag'],
    [tag('AWS:x', '1'), 'InvalidTag'],
    [tag('a&amp;b', '1'), 'InvalidTag'],
    [tag('a', 'b;c'), 'InvalidTag'],
    [tag('k'.repeat(129), ''), 'InvalidTag'],
    [tag('k', 'v'.repeat(257)), 'InvalidTag'],
    ['<Tag><Key>a</Key></Tag>', 'MalformedXML'],
    ['<Tag><Key>a</Key><Key>b</Key><Value/></Tag>', 'MalformedXML'],
    ['<Tag><Key>a</Key><Value/><More/></Tag>', 'MalformedXML'],
    ['<Other/>', 'MalformedXML'],
  ])('refuses %s', (tags, code) => {
    expect(() => parseTaggingDocument(tagging(tags), 'object')).toThrow(expect.objectContaining({ code }))
  })

  it('takes a document without a set of tags for one without tags', () => {
    expect(parseTaggingDocument(Buffer.from('<Tagging/>'), 'object')).toEqual({})
  })
})

describe('renderTagging', () => {
  it('writes, by key, what is read back as the same tags', () => {
    const tags = { 'a b': '+-=._:/@', straße: '東京', empty: '' }
    const rendered = renderTagging(tags)
    expect(textsOf(readRendered(rendered), 'Key')).toEqual(Object.keys(tags).sort())
    const [tagSet] = parseXml(Buffer.from(rendered), 'Tagging').children
    expect(parseTags(tagSet?.children ?? [], 'object')).toEqual(tags)
  })
})
