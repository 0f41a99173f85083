import { isCofferError } from '@coffer/errors'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Secret } from './secret.ts'
import { unwrapSecret, wrapSecret } from './wrap.ts'

const withCode = (code: string) => expect.toSatisfy((error) => isCofferError(error, code))
const wrappingKey = Secret.random(32)

it('wraps secrets of any length, for any purpose and context', () => {
  const text = fc.string({ unit: 'binary', maxLength: 20 })
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      text,
      fc.dictionary(text, text, { maxKeys: 4 }),
      (bytes, purpose, context) => {
        const secret = Secret.copyOf(bytes)
        const wrapped = wrapSecret(secret, wrappingKey, purpose, context)
        expect(unwrapSecret(wrapped, wrappingKey, purpose, context).equals(secret)).toBe(true)
        expect(wrapped.length).toBe(82 + bytes.length)
      },
    ),
  )
})

it('refuses another key or purpose as the wrong key, another context as damage', () => {
  const wrapped = wrapSecret(Secret.random(40), wrappingKey, 'kms', { keyId: 'a' })
  expect(() => unwrapSecret(wrapped, Secret.random(32), 'kms', { keyId: 'a' })).toThrow(withCode('CRYPTO_WRONG_KEY'))
  expect(() => unwrapSecret(wrapped, wrappingKey, 'iam', { keyId: 'a' })).toThrow(withCode('CRYPTO_WRONG_KEY'))
  expect(() => unwrapSecret(wrapped, wrappingKey, 'kms', { keyId: 'b' })).toThrow(withCode('CRYPTO_DAMAGED'))
  expect(() => unwrapSecret(wrapped, wrappingKey, 'kms', {})).toThrow(withCode('CRYPTO_DAMAGED'))
})

it('refuses every changed byte and every shorter length', () => {
  const wrapped = wrapSecret(Secret.random(40), wrappingKey, 'kms', {})
  const refused = expect.toSatisfy(
    (error) => isCofferError(error, 'CRYPTO_DAMAGED') || isCofferError(error, 'CRYPTO_WRONG_KEY'),
  )
  for (let offset = 0; offset < wrapped.length; offset++) {
    const changed = Buffer.from(wrapped)
    changed[offset] = (changed[offset] ?? 0) ^ 1
    expect(() => unwrapSecret(changed, wrappingKey, 'kms', {})).toThrow(refused)
    expect(() => unwrapSecret(wrapped.subarray(0, offset), wrappingKey, 'kms', {})).toThrow(refused)
  }
})

it('does not open with a wiped key', () => {
  const key = Secret.random(32)
  const wrapped = wrapSecret(Secret.random(32), key, 'kms', {})
  key.wipe()
  expect(() => unwrapSecret(wrapped, key, 'kms', {})).toThrow(withCode('CRYPTO_SECRET_WIPED'))
  expect(() => wrapSecret(Secret.random(32), key, 'kms', {})).toThrow(withCode('CRYPTO_SECRET_WIPED'))
})
