import { MetadataKey, Secret } from '@coffer/crypto-core'
import type { BucketRecord, UploadRecord, VersionRecord } from '@coffer/metadata-store'
import { describe, expect, it } from 'vitest'
import { openBucketRecord, sealBucketRecord } from './bucket-record.ts'
import { type ObjectAttributes, openAttributes, sealAttributes } from './object-attributes.ts'
import { openBucketMessage, parseBucketMessage, sealBucketMessage } from './object-event.ts'
import { openSummaries, sealSummary } from './summary.ts'
import { openUploadRecord, sealUploadRecord } from './upload-record.ts'

/*
 * Whoever can write to the disk, and has no key, moves a seal to another record or changes what stands beside it in the clear.
 */

const metadataKey = new MetadataKey(Secret.random(32))
const BUCKET = 'b'.repeat(32)
const damaged = expect.objectContaining({ code: 'CRYPTO_RECORD_DAMAGED' })

const version: Omit<VersionRecord, 'sealed' | 'summary'> = {
  key: 'k',
  versionId: 'a'.repeat(32),
  isNull: false,
  isDeleteMarker: false,
  lastModifiedAt: 1_700_000_000_000,
  sizeBytes: 5,
  bodyKind: 'inline',
  keyRef: 'bk:1',
}
const changedVersions: [string, Partial<VersionRecord>][] = [
  ['key', { key: 'l' }],
  ['version id', { versionId: 'b'.repeat(32) }],
  ['null version', { isNull: true }],
  ['delete marker', { isDeleteMarker: true }],
  ['time', { lastModifiedAt: 1_700_000_000_001 }],
  ['size', { sizeBytes: 6 }],
]
const attributes: ObjectAttributes = {
  etagHex: 'ab'.repeat(16),
  sse: 'SSE-S3',
  algorithm: 'AES-256-GCM',
  keyContextId: version.versionId,
  headers: { standard: {}, user: {} },
}

describe('a version', () => {
  const sealed = sealAttributes(metadataKey, BUCKET, version, attributes, Buffer.from('sealed key'))
  const summary = sealSummary(metadataKey, BUCKET, version, attributes)
  const record: VersionRecord = { ...version, sealed, summary }

  it('is what was written', () => {
    expect(openAttributes(metadataKey, BUCKET, record).attributes).toEqual(attributes)
  })

  it.each([
    ...changedVersions,
    ['body kind', { bodyKind: 'blobs' }],
    ['name of the sealing key', { keyRef: 'bk:2' }],
  ] as [string, Partial<VersionRecord>][])('does not open with another %s', (_what, change) => {
    expect(() => openAttributes(metadataKey, BUCKET, { ...record, ...change })).toThrow(damaged)
  })

  it('does not open in another bucket that has the same key', () => {
    expect(() => openAttributes(metadataKey, 'c'.repeat(32), record)).toThrow(damaged)
  })

  it.each(changedVersions)('fails alone in a listing with another %s', (_what, change) => {
    const listed = { ...record, isLatest: true }
    const [genuine, forged] = openSummaries(metadataKey, BUCKET, [listed, { ...listed, ...change }])
    expect(genuine).toMatchObject({ etag: `"${attributes.etagHex}"` })
    expect(forged).toMatchObject({ code: 'CRYPTO_RECORD_DAMAGED' })
  })

  it('fails in a listing of another bucket, and with any byte of its entry changed', () => {
    const listed = { ...record, isLatest: true }
    expect(openSummaries(metadataKey, 'c'.repeat(32), [listed])).toMatchObject([{ code: 'CRYPTO_RECORD_DAMAGED' }])
    const forged = Array.from(summary, (_byte, at) => ({
      ...listed,
      summary: summary.map((byte, index) => (index === at ? byte ^ 1 : byte)),
    }))
    for (const opened of openSummaries(metadataKey, BUCKET, forged)) {
      expect(opened).toMatchObject({ code: 'CRYPTO_RECORD_DAMAGED' })
    }
  })

  it('is no upload, bucket, event or manifest', () => {
    const attributesAt = 3 + Buffer.from('sealed key').length
    const body = sealed.subarray(attributesAt)
    expect(() => metadataKey.openRecord(body, Buffer.alloc(0))).toThrow(damaged)
    const upload: UploadRecord = {
      key: version.key,
      uploadId: version.versionId,
      initiatedAt: version.lastModifiedAt,
      ownerAccountId: '1',
      keyRef: '',
      sealed: body,
    }
    expect(() => openUploadRecord(metadataKey, BUCKET, upload)).toThrow(damaged)
  })
})

describe('a bucket', () => {
  const clear = {
    name: 'one',
    id: BUCKET,
    ownerAccountId: '111122223333',
    createdAt: 5,
    versioning: 'enabled',
    revision: 7,
  } as const
  const sealed = sealBucketRecord(metadataKey, clear, { region: 'us-east-1' })
  const record: BucketRecord = { ...clear, wrappedMetadataKey: Buffer.of(1), sealed }

  it('is what was written', () => {
    expect(openBucketRecord(metadataKey, record)).toEqual({ region: 'us-east-1' })
  })

  it.each([
    ['name', { name: 'two' }],
    ['id', { id: 'c'.repeat(32) }],
    ['owner', { ownerAccountId: '444455556666' }],
    ['time', { createdAt: 6 }],
    ['versioning', { versioning: 'suspended' }],
    ['revision', { revision: 6 }],
  ] as [string, Partial<BucketRecord>][])('does not open with another %s', (_what, change) => {
    expect(() => openBucketRecord(metadataKey, { ...record, ...change })).toThrow(damaged)
  })
})

describe('an upload', () => {
  const clear = { key: 'k', uploadId: 'a'.repeat(32), initiatedAt: 5, ownerAccountId: '111122223333' }
  const { etagHex: _etag, keyContextId: _context, ...ofUpload } = attributes
  const objectKey = { keyRef: 'bk:1', sealed: Buffer.from('sealed key') }
  const sealed = sealUploadRecord(metadataKey, BUCKET, clear, ofUpload, objectKey)
  const record: UploadRecord = { ...clear, keyRef: objectKey.keyRef, sealed }

  it('is what was written, its key named as it was sealed', () => {
    expect(openUploadRecord(metadataKey, BUCKET, { ...record, keyRef: 'bk:forged' }).objectKey).toEqual(objectKey)
  })

  it.each([
    ['key', { key: 'l' }],
    ['id', { uploadId: 'b'.repeat(32) }],
    ['time', { initiatedAt: 6 }],
    ['owner', { ownerAccountId: '444455556666' }],
  ] as [string, Partial<UploadRecord>][])('does not open with another %s', (_what, change) => {
    expect(() => openUploadRecord(metadataKey, BUCKET, { ...record, ...change })).toThrow(damaged)
  })

  it('does not open in another bucket that has the same key', () => {
    expect(() => openUploadRecord(metadataKey, 'c'.repeat(32), record)).toThrow(damaged)
  })
})

describe('an event', () => {
  const bucket = { name: 'one', id: BUCKET, wrappedMetadataKey: Buffer.from('wrapped') }
  const message = { kind: 'test', bucket: 'one', at: 5, requestId: 'r' } as const
  const { payload } = sealBucketMessage(metadataKey, bucket, 'queue', message)
  const envelope = parseBucketMessage(payload)
  if (envelope === undefined) throw new Error('not an event')

  it('is what was written', () => {
    expect(openBucketMessage(metadataKey, envelope, 'queue')).toEqual(message)
  })

  it('opens for its own target alone, and as of its own bucket', () => {
    expect(() => openBucketMessage(metadataKey, envelope, 'other')).toThrow(damaged)
    for (const change of [{ name: 'two' }, { id: 'c'.repeat(32) }]) {
      const moved = { ...envelope, bucket: { ...envelope.bucket, ...change } }
      expect(() => openBucketMessage(metadataKey, moved, 'queue')).toThrow(damaged)
    }
  })
})
