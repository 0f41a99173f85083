import { MetadataKey, Secret } from '@coffer/crypto-core'
import { isKept } from '@coffer/metadata-store'
import { beforeEach, expect, test, vi } from 'vitest'
import { type ObjectAttributes, openAttributes, sealAttributes } from './object-attributes.ts'

const metadataKey = new MetadataKey(Secret.random(32))
const fields = {
  key: 'k',
  versionId: 'ab'.repeat(16),
  isNull: true,
  isDeleteMarker: false,
  lastModifiedAt: 5,
  sizeBytes: 3,
  bodyKind: 'inline' as const,
  keyRef: 'bk:1',
}
const attributes: ObjectAttributes = {
  etagHex: '0'.repeat(32),
  sse: 'SSE-S3',
  algorithm: 'AES-256-GCM',
  keyContextId: fields.versionId,
  headers: {} as ObjectAttributes['headers'],
}
const sealed = sealAttributes(metadataKey, 'bucket', fields, attributes, Buffer.from('sealed key'))
const record = { ...fields, sealed, summary: new Uint8Array(0) }

vi.mock('@coffer/metadata-store', () => ({ isKept: vi.fn() }))

beforeEach(() => {
  vi.mocked(isKept).mockImplementation((one) => one === record)
})

test('a record that the store does not keep is opened each time', () => {
  const other = { ...record }
  expect(openAttributes(metadataKey, 'bucket', other)).not.toBe(openAttributes(metadataKey, 'bucket', other))
  expect(openAttributes(metadataKey, 'bucket', other)).toEqual({
    attributes,
    objectKey: { keyRef: 'bk:1', sealed: Buffer.from('sealed key') },
  })
})

test('a record that the store keeps is opened once, and for its own bucket and key only', () => {
  const opened = openAttributes(metadataKey, 'bucket', record)
  expect(opened.attributes).toEqual(attributes)
  expect(openAttributes(metadataKey, 'bucket', record)).toBe(opened)
  const damaged = expect.objectContaining({ code: 'CRYPTO_RECORD_DAMAGED' })
  expect(() => openAttributes(metadataKey, 'other', record)).toThrow(damaged)
  expect(() => openAttributes(new MetadataKey(Secret.random(32)), 'bucket', record)).toThrow(damaged)
})

test('another record that differs in one clear field or one bit is refused, whatever was opened before', () => {
  openAttributes(metadataKey, 'bucket', record)
  const damaged = expect.objectContaining({ code: 'CRYPTO_RECORD_DAMAGED' })
  for (const change of [{ key: 'l' }, { isNull: false }, { lastModifiedAt: 6 }, { sizeBytes: 4 }, { keyRef: 'bk:2' }]) {
    expect(() => openAttributes(metadataKey, 'bucket', { ...record, ...change })).toThrow(damaged)
  }
  for (const at of [0, 20, sealed.length - 1]) {
    const bytes = Uint8Array.from(sealed, (byte, index) => (index === at ? byte ^ 1 : byte))
    expect(() => openAttributes(metadataKey, 'bucket', { ...record, sealed: bytes })).toThrow(damaged)
  }
})
