import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { S3Error } from './errors.ts'
import { parseTagging } from './object-tags.ts'

const pairs = (count: number): string => Array.from({ length: count }, (_, index) => `k${index}=v`).join('&')

describe('parseTagging', () => {
  it.each([
    ['a=1&b=2', { a: '1', b: '2' }],
    ['a', { a: '' }],
    ['a=', { a: '' }],
    ['&', {}],
    ['a=b=c', { a: 'b=c' }],
    ['a+b=c%20d%2B', { 'a b': 'c d+' }],
    ['stra%C3%9Fe=%E6%9D%B1%E4%BA%AC', { straße: '東京' }],
    ['__proto__=x', Object.fromEntries([['__proto__', 'x']])],
    [pairs(10), Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`k${index}`, 'v']))],
  ])('reads %s', (tagging, tags) => {
    const parsed = parseTagging(tagging)
    expect(Object.entries(parsed)).toEqual(Object.entries(tags))
  })

  it.each([
    [pairs(11), 'BadRequest'],
    ['a=1&a=2', 'InvalidArgument'],
    ['=', 'InvalidArgument'],
    ['=v', 'InvalidArgument'],
    ['a=%zz', 'InvalidArgument'],
    ['a=%ff', 'InvalidArgument'],
    ['a=%00', 'InvalidArgument'],
    ['a=%26', 'InvalidArgument'],
    ['aws:a=1', 'InvalidTag'],
    [`${'k'.repeat(129)}=v`, 'InvalidTag'],
    [`k=${'v'.repeat(257)}`, 'InvalidTag'],
  ])('refuses %s', (tagging, code) => {
    expect(() => parseTagging(tagging)).toThrow(expect.objectContaining({ code }))
  })

  it('throws nothing but S3 errors', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('%', '=', '&', '+', 'a', '%4', '%41', '\ud800', '<') }),
        (tagging) => {
          try {
            parseTagging(tagging)
          } catch (error) {
            expect(error).toBeInstanceOf(S3Error)
          }
        },
      ),
    )
  })
})
