import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { S3Error } from './errors.ts'
import { objectResponseHeaders, parseObjectHeaders, responseOverrides } from './metadata.ts'

describe('parseObjectHeaders', () => {
  it('keeps the standard headers, user metadata and tags, and nothing else', () => {
    const headers = parseObjectHeaders({
      host: 'localhost',
      'cache-control': 'no-cache',
      'content-type': 'text/plain',
      'content-length': '3',
      expires: 'Thu, 01 Dec 1994 16:00:00 GMT',
      'x-amz-meta-one': '1',
      'x-amz-meta-empty': '',
      'x-amz-tagging': 'a=1',
      'x-amz-storage-class': 'STANDARD',
      'x-amz-acl': 'private',
    })
    expect(headers).toEqual({
      standard: {
        'cache-control': 'no-cache',
        'content-type': 'text/plain',
        expires: 'Thu, 01 Dec 1994 16:00:00 GMT',
      },
      user: { one: '1', empty: '' },
      tags: { a: '1' },
    })
  })

  it.each([
    ['aws-chunked', undefined],
    ['aws-chunked,gzip', 'gzip'],
    ['gzip, aws-chunked', 'gzip'],
    ['gzip', 'gzip'],
  ])('drops the framing from content-encoding %s', (given, kept) => {
    expect(parseObjectHeaders({ 'content-encoding': given }).standard['content-encoding']).toBe(kept)
  })

  it('counts names and values of user metadata together, up to 2 KB', () => {
    expect(parseObjectHeaders({ 'x-amz-meta-m': 'x'.repeat(2047) }).user.m).toHaveLength(2047)
    expect(() => parseObjectHeaders({ 'x-amz-meta-m': 'x'.repeat(2048) })).toThrow(
      expect.objectContaining({ code: 'MetadataTooLarge', details: { Size: '2049', MaxSizeAllowed: '2048' } }),
    )
  })

  it.each([
    [{ 'x-amz-website-redirect-location': 'javascript:alert(1)' }, 'InvalidRedirectLocation'],
    [{ 'x-amz-tagging': 'a=1&a=2' }, 'InvalidArgument'],
    [{ 'content-type': 'x'.repeat(4097) }, 'MetadataTooLarge'],
  ] as const)('refuses %j', (headers, code) => {
    expect(() => parseObjectHeaders(headers)).toThrow(expect.objectContaining({ code }))
  })

  it('throws nothing but S3 errors', () => {
    const names = fc.constantFrom('content-encoding', 'x-amz-meta-a', 'x-amz-tagging', 'x-amz-acl', 'expires')
    fc.assert(
      fc.property(fc.dictionary(names, fc.string()), (headers) => {
        try {
          parseObjectHeaders(headers)
        } catch (error) {
          expect(error).toBeInstanceOf(S3Error)
        }
      }),
    )
  })
})

describe('objectResponseHeaders', () => {
  it('gives back what was kept, with a content type and the number of tags', () => {
    const kept = parseObjectHeaders({ 'cache-control': 'no-cache', 'x-amz-meta-one': '1', 'x-amz-tagging': 'a=1&b=2' })
    expect(objectResponseHeaders(kept)).toEqual({
      'cache-control': 'no-cache',
      'content-type': 'binary/octet-stream',
      'x-amz-meta-one': '1',
      'x-amz-tagging-count': '2',
    })
  })

  it('gives back metadata whatever it is called, and in encoded words what is not US-ASCII', () => {
    const headers = Object.fromEntries([
      ['x-amz-meta-__proto__', 'p'],
      ['x-amz-meta-name', Buffer.from('Zoë').toString('latin1')],
    ])
    expect(objectResponseHeaders(parseObjectHeaders(headers))).toMatchObject({
      'x-amz-meta-__proto__': 'p',
      'x-amz-meta-name': '=?UTF-8?B?Wm/Dqw==?=',
    })
  })
})

describe('responseOverrides', () => {
  it('takes the six headers that S3 lets a reader choose', () => {
    const query = new Map([
      ['response-content-type', 'text/plain'],
      ['response-expires', 'never'],
      ['response-server', 'no'],
    ])
    expect(responseOverrides(query)).toEqual({ 'content-type': 'text/plain', expires: 'never' })
  })

  it.each(['a\r\nset-cookie: b', '\0', '東'])('refuses %j, which no header can carry', (value) => {
    expect(() => responseOverrides(new Map([['response-content-type', value]]))).toThrow(
      expect.objectContaining({ code: 'InvalidArgument' }),
    )
  })
})
