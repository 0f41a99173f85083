import { MetadataKey, Secret } from '@coffer/crypto-core'
import { STORAGE_CLASSES, type StorageClass } from '@coffer/s3-protocol'
import { expect, it } from 'vitest'
import type { ObjectAttributes } from './object-attributes.ts'
import { listedStorageClass, openSummaries, sealSummary } from './summary.ts'

const metadataKey = new MetadataKey(Secret.random(32))
const BUCKET = 'b'.repeat(32)
const version = {
  key: 'k',
  versionId: 'a'.repeat(32),
  isNull: false,
  isDeleteMarker: false,
  isLatest: true,
  lastModifiedAt: 1_700_000_000_000,
  sizeBytes: 5,
}

function attributesOf(storageClass: StorageClass | undefined): ObjectAttributes {
  return {
    etagHex: 'ab'.repeat(16),
    partCount: 3,
    sse: 'SSE-S3',
    algorithm: 'AES-256-GCM',
    keyContextId: version.versionId,
    headers: { standard: {}, user: {} },
    checksum: { algorithm: 'SHA1', type: 'COMPOSITE', value: '' },
    ...(storageClass && { storageClass }),
  }
}

it.each([undefined, ...STORAGE_CLASSES.slice(1)])(
  'tells the storage class %s, and all else beside it',
  (storageClass) => {
    const summary = sealSummary(metadataKey, BUCKET, version, attributesOf(storageClass))
    const [opened] = openSummaries(metadataKey, BUCKET, [{ ...version, summary }])
    expect(opened).toEqual({
      etag: `"${'ab'.repeat(16)}-3"`,
      checksumAlgorithm: 'SHA1',
      checksumType: 'COMPOSITE',
      ...(storageClass && { storageClass }),
    })
    expect(listedStorageClass({ summary })).toBe(storageClass)
    // What was written before there were classes has one byte less.
    expect(summary.length).toBe(storageClass === undefined ? 53 : 54)
  },
)

it('is not believed when its storage class was changed', () => {
  const summary = Buffer.from(sealSummary(metadataKey, BUCKET, version, attributesOf('GLACIER_IR')))
  summary.writeUInt8(1, 5)
  const [opened] = openSummaries(metadataKey, BUCKET, [{ ...version, summary }])
  expect(opened).toBeInstanceOf(Error)
})
