import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { QueryApiError } from './errors.ts'
import { parseForm } from './form.ts'

const parse = (text: string) => parseForm(Buffer.from(text))

describe('a form of the Query protocol', () => {
  it('is a structure with lists in it', () => {
    expect(
      parse('Action=CreateUser&UserName=a%20b&Tags.member.2.Key=y&Tags.member.1.Key=x&Tags.member.1.Value='),
    ).toEqual({
      Action: 'CreateUser',
      UserName: 'a b',
      Tags: [{ Key: 'x', Value: '' }, { Key: 'y' }],
    })
    expect(parse('List.member.10=b&List.member.9=a&Empty=')).toEqual({ List: ['a', 'b'], Empty: '' })
  })

  it.each([
    'a.b=1&a=2',
    'a=1&a.b=2',
    'a=1&a=2',
    '__proto__=1',
    'a..b=1',
    '=1',
    'a.member.0=1',
    'a.member.x=1',
    'a.member=1',
    `${'a.'.repeat(8)}a=1`,
    Array.from({ length: 2001 }, (_, index) => `a${index}=1`).join('&'),
  ])('is refused where it contradicts itself or is out of bounds: %.40s', (text) => {
    expect(() => parse(text)).toThrow(QueryApiError)
  })

  it('makes no names that objects have by themselves, whatever the text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          expect(Object.getPrototypeOf(parse(text))).toBe(Object.prototype)
        } catch (error) {
          expect(error).toBeInstanceOf(QueryApiError)
        }
      }),
    )
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })
})
