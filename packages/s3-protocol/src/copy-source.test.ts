import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseCopySource } from './copy-source.ts'
import { S3Error } from './errors.ts'

describe('parseCopySource', () => {
  it.each([
    ['bucket/key', { bucket: 'bucket', key: 'key' }],
    ['/bucket/key', { bucket: 'bucket', key: 'key' }],
    ['%2Fbucket%2Fa%2Fb', { bucket: 'bucket', key: 'a/b' }],
    ['bucket//key', { bucket: 'bucket', key: '/key' }],
    ['bucket/folder/', { bucket: 'bucket', key: 'folder/' }],
    ['bucket/a+b', { bucket: 'bucket', key: 'a b' }],
    ['bucket/a%2Bb%20c', { bucket: 'bucket', key: 'a+b c' }],
    ['bucket/key?versionId=null', { bucket: 'bucket', key: 'key', versionId: 'null' }],
    ['bucket/a%3FversionId=b', { bucket: 'bucket', key: 'a?versionId=b' }],
    ['bucket/a%3FversionId%3Db?versionId=v', { bucket: 'bucket', key: 'a?versionId=b', versionId: 'v' }],
  ])('reads %s', (header, source) => {
    expect(parseCopySource(header)).toEqual(source)
  })

  it.each([
    ['', 'InvalidArgument'],
    ['/', 'InvalidArgument'],
    ['bucket', 'InvalidArgument'],
    ['bucket/', 'InvalidArgument'],
    ['//key', 'InvalidArgument'],
    ['bucket/%zz', 'InvalidArgument'],
    ['bucket/%ff', 'InvalidArgument'],
    ['bucket/key?versionId=%', 'InvalidArgument'],
    [`bucket/${'k'.repeat(1025)}`, 'KeyTooLongError'],
    ['bucket/a%00b', 'InvalidURI'],
  ])('refuses %s', (header, code) => {
    expect(() => parseCopySource(header)).toThrow(expect.objectContaining({ code }))
  })

  it('reads back any key that a client encodes', () => {
    const key = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 }).filter((text) => !text.includes('\0'))
    fc.assert(
      fc.property(key, fc.boolean(), (name, slash) => {
        const header = `${slash ? '/' : ''}bucket/${encodeURIComponent(name)}?versionId=v1`
        expect(parseCopySource(header)).toEqual({ bucket: 'bucket', key: name, versionId: 'v1' })
      }),
    )
  })

  it('throws nothing but S3 errors', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('%', '/', '?', 'versionId=', 'a', '+', '%2', 'é') }), (header) => {
        try {
          parseCopySource(header)
        } catch (error) {
          expect(error).toBeInstanceOf(S3Error)
        }
      }),
    )
  })
})
