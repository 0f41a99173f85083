import { MetadataKey, openObjectKey, Secret, sealObjectKey } from '@coffer/crypto-core'
import { expect, it } from 'vitest'
import { openAttributes, sealAttributes } from './object-attributes.ts'
import { replaceObjectKey, sealContextOf } from './replace-object-key.ts'

const BUCKET = 'b'.repeat(32)
const metadataKey = new MetadataKey(Secret.random(32))
const attributes = {
  etagHex: 'ab'.repeat(16),
  sse: 'SSE-KMS',
  kms: { keyId: 'invoices', bucketKeyEnabled: false, encryptionContext: { tenant: 'acme' } },
  algorithm: 'AES-256-GCM',
  keyContextId: 'first',
  headers: { standard: {}, user: {} },
} as const

it('an object key is sealed for the object, the version that it was made for, and the client’s own encryption context', () => {
  expect(sealContextOf(BUCKET, 'k', attributes)).toEqual({
    bucketId: BUCKET,
    key: 'k',
    versionId: 'first',
    algorithm: 'AES-256-GCM',
    encryptionContext: { tenant: 'acme' },
  })
})

it('an object key that is sealed anew goes with its record: the older record does not take the newer key', () => {
  const objectKey = Secret.random(32)
  const context = sealContextOf(BUCKET, 'k', attributes)
  const [older, newer] = [Secret.random(32), Secret.random(32)]
  const fields = {
    key: 'k',
    versionId: 'v',
    isNull: false,
    isDeleteMarker: false,
    lastModifiedAt: 5,
    sizeBytes: 6,
    bodyKind: 'inline',
    keyRef: 'bk:older',
  } as const
  const sealed = sealAttributes(metadataKey, BUCKET, fields, attributes, sealObjectKey(objectKey, older, context))
  const before = { ...fields, sealed, summary: Buffer.alloc(0) }
  const stored = { keyRef: 'bk:newer', sealed: sealObjectKey(objectKey, newer, context) }
  const replaced = replaceObjectKey(metadataKey, BUCKET, before, attributes, stored)
  const after = openAttributes(metadataKey, BUCKET, { ...before, keyRef: 'bk:newer', sealed: replaced })
  expect(after.attributes).toEqual(attributes)
  expect(openObjectKey(after.objectKey.sealed, newer, context).equals(objectKey)).toBe(true)
  const damaged = expect.objectContaining({ code: 'CRYPTO_RECORD_DAMAGED' })
  expect(() => openAttributes(metadataKey, BUCKET, { ...before, sealed: replaced })).toThrow(damaged)
  expect(() => openAttributes(metadataKey, BUCKET, { ...before, keyRef: 'bk:newer' })).toThrow(damaged)
})
