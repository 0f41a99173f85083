import { isCofferError } from '@coffer/errors'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  generateObjectKey,
  openObjectKey,
  openObjectKeyForCustomer,
  openOuterLayerKey,
  type SealContext,
  sealObjectKey,
  sealObjectKeyForCustomer,
  sealOuterLayerKey,
} from './object-key.ts'
import { Secret } from './secret.ts'

const CONTEXT: SealContext = {
  bucketId: 'b1',
  key: 'some/key',
  versionId: 'v1',
  algorithm: 'AES-256-GCM',
  encryptionContext: { tenant: 'acme' },
}
const withCode = (code: string) => expect.toSatisfy((error) => isCofferError(error, code))

describe.each([
  ['for the KMS', sealObjectKey, openObjectKey],
  ['for a customer', sealObjectKeyForCustomer, openObjectKeyForCustomer],
])('an object key sealed %s', (_, seal, open) => {
  const [objectKey, sealingKey] = [generateObjectKey('AES-256-GCM'), Secret.random(32)]
  const sealed = seal(objectKey, sealingKey, CONTEXT)

  it('opens to itself, in 114 bytes', () => {
    expect(open(sealed, sealingKey, CONTEXT).equals(objectKey)).toBe(true)
    expect(sealed.length).toBe(114)
  })

  it('is other bytes each time', () => {
    const again = Buffer.from(seal(objectKey, sealingKey, CONTEXT))
    for (const [from, to] of [
      [2, 34],
      [34, 66],
      [66, 98],
      [98, 114],
    ] as const) {
      expect(again.subarray(from, to).equals(sealed.subarray(from, to))).toBe(false)
    }
  })

  it('does not open with any bit changed', () => {
    fc.assert(
      fc.property(fc.nat(113), fc.nat(7), (offset, bit) => {
        const changed = Buffer.from(sealed)
        changed[offset] = (changed[offset] ?? 0) ^ (1 << bit)
        // Salt and commitment say which key; all other bytes say what was sealed.
        const code = offset >= 2 && offset < 66 ? 'CRYPTO_WRONG_KEY' : 'CRYPTO_DAMAGED'
        expect(() => open(changed, sealingKey, CONTEXT)).toThrow(withCode(code))
      }),
      { numRuns: 300 },
    )
  })

  it('does not open at any other length', () => {
    for (let length = 0; length < sealed.length; length++) {
      expect(() => open(sealed.subarray(0, length), sealingKey, CONTEXT)).toThrow(withCode('CRYPTO_DAMAGED'))
    }
    expect(() => open(Buffer.concat([sealed, Buffer.alloc(1)]), sealingKey, CONTEXT)).toThrow(
      withCode('CRYPTO_DAMAGED'),
    )
  })

  it.each([
    ['bucket', { bucketId: 'b2' }],
    ['object', { key: 'some/key2' }],
    ['version', { versionId: 'v2' }],
    ['algorithm', { algorithm: 'CHACHA20-POLY1305' }],
    ['encryption context', { encryptionContext: { tenant: 'other' } }],
    ['absent encryption context', { encryptionContext: {} }],
  ] as const)('does not open for another %s', (_name, change) => {
    expect(() => open(sealed, sealingKey, { ...CONTEXT, ...change })).toThrow(withCode('CRYPTO_DAMAGED'))
  })

  it('tells a wrong key from damage', () => {
    expect(() => open(sealed, Secret.random(32), CONTEXT)).toThrow(withCode('CRYPTO_WRONG_KEY'))
  })

  it('needs keys of 32 bytes', () => {
    expect(() => seal(Secret.random(31), sealingKey, CONTEXT)).toThrow(withCode('CRYPTO_KEY_LENGTH'))
    expect(() => seal(objectKey, Secret.random(16), CONTEXT)).toThrow(withCode('CRYPTO_KEY_LENGTH'))
    expect(() => open(sealed, Secret.random(33), CONTEXT)).toThrow(withCode('CRYPTO_KEY_LENGTH'))
  })

  it('leaves both keys usable, and needs neither wiped', () => {
    expect([objectKey.lengthBytes, sealingKey.lengthBytes]).toEqual([32, 32])
  })
})

it('an object key sealed for one kind of holder does not open as the other', () => {
  const [objectKey, sealingKey] = [generateObjectKey('AES-256-GCM'), Secret.random(32)]
  const forKms = sealObjectKey(objectKey, sealingKey, CONTEXT)
  expect(() => openObjectKeyForCustomer(forKms, sealingKey, CONTEXT)).toThrow(withCode('CRYPTO_DAMAGED'))
  const relabelled = Buffer.from(forKms)
  relabelled[1] = 2
  expect(() => openObjectKeyForCustomer(relabelled, sealingKey, CONTEXT)).toThrow(withCode('CRYPTO_WRONG_KEY'))
})

describe('the key of an outer layer', () => {
  const [outerKey, sealingKey] = [generateObjectKey('AES-256-GCM'), Secret.random(32)]

  it('does not open as an inner one, nor an inner one as it', () => {
    const sealed = sealOuterLayerKey(outerKey, sealingKey, CONTEXT)
    expect(openOuterLayerKey(sealed, sealingKey, CONTEXT).equals(outerKey)).toBe(true)
    expect(() => openObjectKey(sealed, sealingKey, CONTEXT)).toThrow(withCode('CRYPTO_WRONG_KEY'))
    const inner = sealObjectKey(outerKey, sealingKey, CONTEXT)
    expect(() => openOuterLayerKey(inner, sealingKey, CONTEXT)).toThrow(withCode('CRYPTO_WRONG_KEY'))
    expect(() => openOuterLayerKey(sealed, sealingKey, { ...CONTEXT, key: 'other' })).toThrow(
      withCode('CRYPTO_DAMAGED'),
    )
  })

  it('is one key: both of an object are never in one envelope', () => {
    const both = generateObjectKey('AES-256-GCM-DUAL')
    const refused = withCode('CRYPTO_KEY_LENGTH')
    expect(() => sealOuterLayerKey(both, sealingKey, CONTEXT)).toThrow(refused)
    expect(() => sealObjectKey(both, sealingKey, CONTEXT)).toThrow(refused)
    expect(() => sealObjectKeyForCustomer(both, sealingKey, CONTEXT)).toThrow(refused)
  })
})
