import { describe, expect, it } from 'vitest'
import { assertPolicyAllows, parsePostPolicy } from './post-policy.ts'

const NOW = Date.parse('2026-11-24T12:00:00Z')
const EXPIRATION = '2026-11-24T13:00:00.000Z'

function policyOf(conditions: unknown, expiration: unknown = EXPIRATION) {
  return parsePostPolicy(Buffer.from(JSON.stringify({ expiration, conditions })).toString('base64'))
}

function allow(conditions: unknown, fields: Readonly<Record<string, string>>, nowMs = NOW): void {
  assertPolicyAllows(policyOf(conditions), { fields: new Map(Object.entries(fields)), bucket: 'photos' }, nowMs)
}

describe('a POST policy', () => {
  it('allows a form whose every field has a condition that holds', () => {
    const conditions = [
      { BUCKET: 'photos', acl: 'private' },
      ['Starts-With', '$Key', 'user/'],
      ['eq', '$x-amz-meta-tag', ''],
      ['starts-with', '$Content-Type', 'image/'],
      ['content-length-range', 1, '10'],
    ]
    const fields = { key: 'user/1', acl: 'private', 'content-type': 'image/png, image/gif', 'x-ignore-me': '1' }
    expect(() => allow(conditions, { ...fields, policy: 'p', 'x-amz-signature': 's' })).not.toThrow()
    expect(policyOf(conditions).sizeRange).toEqual({ sizeBytesMin: 1, sizeBytesMax: 10 })
  })

  it.each([
    ['another bucket', [{ bucket: 'other' }], {}],
    ['another value', [['eq', '$key', 'a']], { key: 'b' }],
    ['another case', [['eq', '$key', 'a']], { key: 'A' }],
    ['another beginning', [['starts-with', '$key', 'a/']], { key: 'b/a/' }],
    [
      'one of several content types',
      [['starts-with', '$Content-Type', 'image/']],
      { 'content-type': 'image/a,text/b' },
    ],
    ['a field that is missing', [['starts-with', '$x-amz-meta-a', 'b']], {}],
    ['a field that has no condition', [['eq', '$key', 'a']], { key: 'a', 'x-amz-meta-a': '1' }],
    ['an ACL that has no condition', [['eq', '$key', 'a']], { key: 'a', acl: 'public-read' }],
  ])('refuses %s', (_what, conditions, fields) => {
    expect(() => allow(conditions, fields)).toThrow(expect.objectContaining({ code: 'AccessDenied' }))
  })

  it('ends with its time', () => {
    const end = Date.parse(EXPIRATION)
    expect(() => allow([], {}, end)).not.toThrow()
    expect(() => allow([], {}, end + 1)).toThrow(expect.objectContaining({ code: 'AccessDenied' }))
  })

  it('joins several size ranges', () => {
    const ranges = [
      ['content-length-range', 1, 10],
      ['content-length-range', 5, 20],
    ]
    expect(policyOf(ranges).sizeRange).toEqual({ sizeBytesMin: 5, sizeBytesMax: 10 })
  })

  it.each([
    ['no JSON', Buffer.from('{').toString('base64')],
    ['a list', Buffer.from('[]').toString('base64')],
    ['no UTF-8', Buffer.from('{"expiration":"é"}', 'latin1').toString('base64')],
  ])('that is %s is refused', (_what, base64) => {
    expect(() => parsePostPolicy(base64)).toThrow(expect.objectContaining({ code: 'InvalidPolicyDocument' }))
  })

  it.each([
    ['no conditions', undefined, EXPIRATION],
    ['conditions that are no list', { bucket: 'photos' }, EXPIRATION],
    ['an empty condition', [{}], EXPIRATION],
    ['an unknown operator', [['ends-with', '$key', 'a']], EXPIRATION],
    ['a field without $', [['eq', 'key', 'a']], EXPIRATION],
    ['a value that is no text', [{ key: 1 }], EXPIRATION],
    ['a condition of two', [['eq', '$key']], EXPIRATION],
    ['a range without its end', [['content-length-range', 1]], EXPIRATION],
    ['a range below nothing', [['content-length-range', -1, 0]], EXPIRATION],
    ['a range the wrong way round', [['content-length-range', 2, 1]], EXPIRATION],
    ['too many conditions', Array.from({ length: 101 }, () => ({ a: 'b' })), EXPIRATION],
    ['no expiration', [], undefined],
    ['an expiration in no known form', [], '2026-11-24 13:00:00+00:00'],
    ['an expiration on no day', [], '2026-13-41T13:00:00Z'],
  ])('with %s is refused', (_what, conditions, expiration) => {
    const text = JSON.stringify({ conditions, expiration })
    expect(() => parsePostPolicy(Buffer.from(text).toString('base64'))).toThrow(
      expect.objectContaining({ code: 'InvalidPolicyDocument' }),
    )
  })
})
