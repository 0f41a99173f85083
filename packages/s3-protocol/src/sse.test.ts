import { hash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { S3Error } from './errors.ts'
import { parseSseRequest } from './sse.ts'
import { masterKeyNameOf } from './sse-kms.ts'

const SSE = 'x-amz-server-side-encryption'
const COPY_SOURCE = 'x-amz-copy-source-server-side-encryption'
const KEY = Buffer.alloc(32, 7)
const KEY_MD5 = hash('md5', KEY, 'base64')

function customerHeaders(prefix: string, changes: Record<string, string | undefined> = {}) {
  return {
    [`${prefix}-customer-algorithm`]: 'AES256',
    [`${prefix}-customer-key`]: KEY.toString('base64'),
    [`${prefix}-customer-key-md5`]: KEY_MD5,
    ...Object.fromEntries(Object.entries(changes).map(([name, value]) => [`${prefix}-customer-${name}`, value])),
  }
}

const contextOf = (context: unknown) => Buffer.from(JSON.stringify(context)).toString('base64')

describe('parseSseRequest', () => {
  it('reads a request that says nothing, and one for SSE-S3', () => {
    expect(parseSseRequest({}, false, 'write')).toEqual({ kind: 'default' })
    expect(parseSseRequest({ [SSE]: 'AES256' }, false, 'write')).toEqual({ kind: 'SSE-S3' })
    expect(parseSseRequest({}, false, 'read')).toEqual({ kind: 'default' })
  })

  it.each(['write', 'read'] as const)('reads the key of a %s', (use) => {
    expect(parseSseRequest(customerHeaders(SSE), true, use)).toEqual({ kind: 'SSE-C', key: KEY, keyMd5: KEY_MD5 })
  })

  it('keeps the key of the source of a copy apart from that of the copy', () => {
    const other = Buffer.alloc(32, 9)
    const headers = {
      ...customerHeaders(SSE),
      ...customerHeaders(COPY_SOURCE, { key: other.toString('base64'), 'key-md5': hash('md5', other, 'base64') }),
    }
    expect(parseSseRequest(headers, true, 'copy-source')).toMatchObject({ key: other })
    expect(parseSseRequest(headers, true, 'write')).toMatchObject({ key: KEY })
    expect(parseSseRequest(customerHeaders(SSE), true, 'copy-source')).toEqual({ kind: 'default' })
  })

  it('gives the MD5 of the key in its one spelling', () => {
    const headers = customerHeaders(SSE, { 'key-md5': KEY_MD5.replaceAll('=', '') })
    expect(parseSseRequest(headers, true, 'write')).toMatchObject({ keyMd5: KEY_MD5 })
  })

  it.each([
    ['no algorithm', { algorithm: undefined }, 'InvalidArgument'],
    ['another algorithm', { algorithm: 'AES128' }, 'InvalidEncryptionAlgorithmError'],
    ['no key', { key: undefined }, 'InvalidArgument'],
    ['an empty key', { key: '' }, 'InvalidArgument'],
    ['a short key', { key: Buffer.alloc(31).toString('base64') }, 'InvalidArgument'],
    ['a long key', { key: Buffer.alloc(33).toString('base64') }, 'InvalidArgument'],
    ['a key that is no base64', { key: `${KEY.toString('base64').slice(0, -2)}!=` }, 'InvalidArgument'],
    ['no MD5', { 'key-md5': undefined }, 'InvalidArgument'],
    ['the MD5 of another key', { 'key-md5': hash('md5', 'other', 'base64') }, 'InvalidArgument'],
    ['a short MD5', { 'key-md5': 'AAAA' }, 'InvalidArgument'],
  ])('refuses a customer key with %s, everywhere', (_, changes, code) => {
    for (const use of ['write', 'read'] as const) {
      expect(() => parseSseRequest(customerHeaders(SSE, changes), true, use)).toThrow(expect.objectContaining({ code }))
    }
    expect(() => parseSseRequest(customerHeaders(COPY_SOURCE, changes), true, 'copy-source')).toThrow(
      expect.objectContaining({ code }),
    )
  })

  it.each([0, 16, 24, 31, 33, 64])('refuses a customer key of %d bytes, whose MD5 is right', (sizeBytes) => {
    const key = Buffer.alloc(sizeBytes, 5)
    const headers = customerHeaders(SSE, { key: key.toString('base64'), 'key-md5': hash('md5', key, 'base64') })
    for (const use of ['write', 'read'] as const) {
      expect(() => parseSseRequest(headers, true, use)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
    }
  })

  it('refuses any part of a customer key over plain HTTP', () => {
    for (const name of ['algorithm', 'key', 'key-md5']) {
      expect(() => parseSseRequest({ [`${SSE}-customer-${name}`]: 'x' }, false, 'read')).toThrow(
        expect.objectContaining({ code: 'InvalidRequest', status: 400 }),
      )
    }
  })

  it.each([
    [{ ...customerHeaders(SSE), [SSE]: 'AES256' }, 'InvalidArgument'],
    [{ ...customerHeaders(SSE), [SSE]: 'aws:kms' }, 'InvalidArgument'],
    [{ [SSE]: 'aws:kms', [`${SSE}-aws-kms-key-id`]: 'no such/form/of key' }, 'KMS.NotFoundException'],
    [{ [SSE]: 'aws:kms', [`${SSE}-aws-kms-key-id`]: '' }, 'KMS.NotFoundException'],
    [{ [SSE]: 'aws:kms', [`${SSE}-context`]: 'bm90IGpzb24=' }, 'InvalidArgument'],
    [{ [SSE]: 'aws:kms', [`${SSE}-context`]: contextOf(['a']) }, 'InvalidArgument'],
    [{ [SSE]: 'aws:kms', [`${SSE}-context`]: contextOf({ a: 1 }) }, 'InvalidArgument'],
    [{ [SSE]: 'aws:kms', [`${SSE}-context`]: contextOf({ 'coffer:bucket': 'b' }) }, 'InvalidArgument'],
    [{ [SSE]: 'aws:kms', [`${SSE}-context`]: contextOf({ 'AWS:s3:arn': 'arn:aws:s3:::another' }) }, 'InvalidArgument'],
    [{ [SSE]: 'aws:kms', [`${SSE}-context`]: contextOf({ a: 'x'.repeat(8192) }) }, 'InvalidArgument'],
    [{ [SSE]: 'aws:kms', [`${SSE}-bucket-key-enabled`]: 'yes' }, 'InvalidArgument'],
    [{ [SSE]: 'aws:kms:dsse', [`${SSE}-bucket-key-enabled`]: 'true' }, 'InvalidArgument'],
    [{ [SSE]: 'aes256' }, 'InvalidArgument'],
    [{ [SSE]: '' }, 'InvalidArgument'],
    [{ [`${SSE}-aws-kms-key-id`]: 'k' }, 'InvalidArgument'],
    [{ [SSE]: 'AES256', [`${SSE}-context`]: 'e30=' }, 'InvalidArgument'],
    [{ [`${SSE}-customer-kee`]: 'x' }, 'InvalidArgument'],
    [{ [`${SSE}s`]: 'x' }, 'InvalidArgument'],
    [{ [`${COPY_SOURCE}-customer-kee`]: 'x' }, 'InvalidArgument'],
  ])('never passes over %j of a write', (headers, code) => {
    expect(() => parseSseRequest(headers, true, 'write')).toThrow(expect.objectContaining({ code }))
  })

  it.each([{ [SSE]: 'AES256' }, { [SSE]: 'aws:kms' }, { [`${SSE}-aws-kms-key-id`]: 'k' }])(
    'refuses %j of a read',
    (headers) => {
      expect(() => parseSseRequest(headers, true, 'read')).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
    },
  )

  it('reads a KMS key by id, connector and ARN, with its context', () => {
    for (const keyId of ['k1', 'vault/payments', 'arn:aws:kms:us-east-1:123456789012:key/vault/payments']) {
      const headers = {
        [SSE]: 'aws:kms',
        [`${SSE}-aws-kms-key-id`]: keyId,
        [`${SSE}-context`]: contextOf({ team: 'a' }),
        [`${SSE}-bucket-key-enabled`]: 'True',
      }
      expect(parseSseRequest(headers, true, 'write')).toEqual({
        kind: 'SSE-KMS',
        keyId,
        encryptionContext: { team: 'a' },
        bucketKeyEnabled: true,
      })
    }
    expect(parseSseRequest({ [SSE]: 'aws:kms' }, true, 'write')).toEqual({ kind: 'SSE-KMS' })
    expect(masterKeyNameOf('arn:aws:kms:us-east-1:123456789012:key/vault/payments')).toBe('vault/payments')
  })

  it.each([
    ['alias/payments', 'alias/payments'],
    ['alias/teams/blue/payments_1', 'alias/teams/blue/payments_1'],
    [`alias/${'x'.repeat(250)}`, `alias/${'x'.repeat(250)}`],
    ['arn:aws:kms:us-east-1:123456789012:alias/payments', 'alias/payments'],
    ['arn:aws:kms:us-east-1:123456789012:alias/teams/blue', 'alias/teams/blue'],
  ])('takes the alias %s', (keyId, name) => {
    expect(masterKeyNameOf(keyId)).toBe(name)
  })

  it.each(['alias/', 'alias/a b', `alias/${'x'.repeat(251)}`, 'arn:aws:kms:us-east-1:123456789012:alias/', 'a/b/c'])(
    'refuses %s, which names nothing',
    (keyId) => {
      expect(errorOf(() => masterKeyNameOf(keyId)).code).toBe('KMS.NotFoundException')
    },
  )

  it('never shows a key in an error, even under a misspelt name', () => {
    const secret = KEY.toString('base64')
    const requests = [
      { ...customerHeaders(SSE, { 'key-md5': 'AAAA' }) },
      { ...customerHeaders(SSE), [SSE]: 'AES256' },
      { [`${SSE}-customer-kee`]: secret },
      { ...customerHeaders(SSE, { key: `${secret}A` }) },
    ]
    for (const headers of requests) {
      const error = errorOf(() => parseSseRequest(headers, true, 'write'))
      expect(JSON.stringify([error.message, error.details, error.headers])).not.toContain(secret)
    }
  })

  it('throws nothing but S3 errors', () => {
    const names = fc.constantFrom(
      SSE,
      ...Object.keys(customerHeaders(SSE)),
      ...Object.keys(customerHeaders(COPY_SOURCE)),
    )
    const values = fc.oneof(fc.string(), fc.base64String(), fc.constantFrom('AES256', KEY.toString('base64'), KEY_MD5))
    fc.assert(
      fc.property(
        fc.dictionary(names, values),
        fc.boolean(),
        fc.constantFrom('write' as const, 'read' as const, 'copy-source' as const),
        (headers, secure, use) => {
          try {
            parseSseRequest(headers, secure, use)
          } catch (error) {
            expect(error).toBeInstanceOf(S3Error)
          }
        },
      ),
    )
  })
})

function errorOf(run: () => unknown): S3Error {
  try {
    run()
  } catch (error) {
    if (error instanceof S3Error) return error
    throw error
  }
  throw new Error('nothing was thrown')
}
