import { generateObjectKey, type SealContext, Secret, sealObjectKey } from '@coffer/crypto-core'
import { expect, test } from 'vitest'
import { OpenedKeys } from './opened-keys.ts'

const context: SealContext = { bucketId: 'b', key: 'k', versionId: 'v', algorithm: 'AES-256-GCM' }
const sealingKey = Secret.random(32)
const objectKey = generateObjectKey('AES-256-GCM')
const stored = { keyRef: 'bk:1', sealed: sealObjectKey(objectKey, sealingKey, context), isKept: true }

test('an opened key is the caller’s own: wiping it takes nothing from the next', () => {
  const keys = new OpenedKeys()
  for (let index = 0; index < 3; index++) {
    const opened = keys.open(stored, sealingKey, { ...context })
    expect(opened.equals(objectKey)).toBe(true)
    opened.wipe()
  }
})

test('a key that was opened opens for no other object, and under no other key', () => {
  const keys = new OpenedKeys()
  keys.open(stored, sealingKey, context)
  const others: SealContext[] = [
    { ...context, bucketId: 'c' },
    { ...context, key: 'l' },
    { ...context, versionId: 'w' },
    { ...context, algorithm: 'CHACHA20-POLY1305' },
    { ...context, encryptionContext: { a: 'b' } },
  ]
  for (const other of others) {
    expect(() => keys.open(stored, sealingKey, other)).toThrow(expect.objectContaining({ code: 'CRYPTO_DAMAGED' }))
  }
  expect(() => keys.open(stored, Secret.random(32), context)).toThrow(
    expect.objectContaining({ code: 'CRYPTO_WRONG_KEY' }),
  )
  const damaged = { ...stored, sealed: Uint8Array.from(stored.sealed, (byte, at) => (at === 90 ? byte ^ 1 : byte)) }
  expect(() => keys.open(damaged, sealingKey, context)).toThrow(expect.objectContaining({ code: 'CRYPTO_DAMAGED' }))
})
