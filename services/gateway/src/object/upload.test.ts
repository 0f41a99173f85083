import { MetadataKey, Secret } from '@coffer/crypto-core'
import type { PartRecord } from '@coffer/metadata-store'
import { describe, expect, it } from 'vitest'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import { openPart, sealPart } from './upload.ts'

const metadataKey = new MetadataKey(Secret.random(32))
const bucketOf = (id: string) => ({ metadataKey, record: { id } }) as unknown as OpenBucket
const bucket = bucketOf('b'.repeat(32))
const upload = { key: 'k', uploadId: 'a'.repeat(32) }
const clear: Omit<PartRecord, 'sealed'> = {
  partNumber: 2,
  lastModifiedAt: 5,
  sizeBytes: 6,
  blob: { blobId: 'blob', storedSizeBytes: 70 },
}
const attributes = { etagHex: 'ab'.repeat(16), salt: 'salt' }
const part = sealPart(bucket, upload, clear, attributes)
const damaged = expect.objectContaining({ code: 'CRYPTO_RECORD_DAMAGED' })

describe('a part that was uploaded', () => {
  it('is what was written', () => {
    expect(openPart(bucket, upload, part)).toEqual(attributes)
  })

  it.each([
    ['number', { partNumber: 3 }],
    ['time', { lastModifiedAt: 6 }],
    ['size', { sizeBytes: 7 }],
    ['blob', { blob: { ...clear.blob, blobId: 'other' } }],
    ['length of its blob', { blob: { ...clear.blob, storedSizeBytes: 71 } }],
  ] as [string, Partial<PartRecord>][])('does not open with another %s', (_what, change) => {
    expect(() => openPart(bucket, upload, { ...part, ...change })).toThrow(damaged)
  })

  it('is of its own upload', () => {
    expect(() => openPart(bucket, { ...upload, uploadId: 'b'.repeat(32) }, part)).toThrow(damaged)
    expect(() => openPart(bucket, { ...upload, key: 'l' }, part)).toThrow(damaged)
    expect(() => openPart(bucketOf('c'.repeat(32)), upload, part)).toThrow(damaged)
  })
})
