import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { plain, refused } from '../../contract/fixtures.ts'
import { bytesOutOfLine, decodeBlobs, encodeBlobs } from './body-row.ts'
import { afterPrefix, blobIdOf, blobKey, headKey, objectName, olderVersionKey, versionIdIn } from './keys.ts'
import { RowReader, RowWriter, UINT48_MAX } from './row.ts'
import { decodeUpload, encodeUpload } from './upload-row.ts'
import { decodeVersion, encodeVersion } from './version-row.ts'

const hex = (characters: number) =>
  fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: characters, maxLength: characters })
const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((value) => Buffer.from(value))
const uint48 = fc.integer({ min: 0, max: UINT48_MAX })
const objectKey = fc
  .string({ unit: 'binary', minLength: 1, maxLength: 40 })
  .filter((key) => key.isWellFormed() && !key.includes('\0'))
const bucketId = '0123456789abcdef0123456789abcdef'

describe('rows', () => {
  test('an upload reads back as it was written, and one of before without its key reference', () => {
    const rowKey = Buffer.from(`name${'a'.repeat(16)}`)
    const uploadId = rowKey.toString('hex', rowKey.length - 16)
    const sealed = Buffer.from('sealed')
    const upload = { key: 'k', uploadId, initiatedAt: 5, ownerAccountId: 'account', keyRef: 'kms:local/k/1', sealed }
    expect(decodeUpload(Buffer.from(encodeUpload(new RowWriter(), upload, rowKey)), 'k', rowKey)).toEqual(upload)
    const before = new RowWriter().begin().uint48(5).text('account').bytes(sealed).finish(rowKey)
    expect(decodeUpload(before, 'k', rowKey)).toEqual({ ...upload, keyRef: '' })
    const later = new RowWriter().begin(3).uint48(5).finish(rowKey)
    expect(() => decodeUpload(later, 'k', rowKey)).toThrow(expect.objectContaining({ code: 'META_FORMAT_NEWER' }))
  })

  test('a version reads back as it was written', () => {
    const writer = new RowWriter()
    const stored = fc.record({
      record: fc.record({
        key: objectKey,
        versionId: hex(32),
        isNull: fc.boolean(),
        isDeleteMarker: fc.boolean(),
        lastModifiedAt: uint48,
        sizeBytes: uint48,
        bodyKind: fc.constantFrom('none' as const, 'blobs' as const, 'inline' as const),
        keyRef: fc.string({ maxLength: 60 }),
        sealed: bytes(2_000),
        summary: bytes(300),
      }),
      nullVersionId: fc.oneof(fc.constant(''), hex(32)),
      tail: bytes(512),
    })
    fc.assert(
      fc.property(stored, ({ record, nullVersionId, tail }) => {
        const inlineTail = record.bodyKind === 'inline' ? tail : Buffer.alloc(0)
        const version = { record, nullVersionId, inlineSizeBytes: inlineTail.length, inlineTail }
        const name = objectName(bucketId, record.key)
        const row = Buffer.from(encodeVersion(writer, version, name))
        expect(plain(decodeVersion(row, record.key, name))).toEqual(plain(version))
      }),
    )
  })

  test('bytes that nobody wrote are refused, never misread or a crash', async () => {
    const name = Buffer.from('name')
    const decoders = [
      (row: Buffer) => decodeVersion(row, 'key', name),
      (row: Buffer) => decodeBlobs(row, name),
      (row: Buffer) => new RowReader('record', row, name),
    ]
    await fc.assert(
      fc.asyncProperty(bytes(200), fc.constantFrom(...decoders), async (row, decode) => {
        await refused((async () => decode(row))(), 'META_RECORD_DAMAGED')
      }),
    )
  })

  test('a row that is whole but says nonsense is refused', async () => {
    const writer = new RowWriter()
    const name = Buffer.from('name')
    await fc.assert(
      fc.asyncProperty(bytes(60), async (payload) => {
        const row = Buffer.from(writer.begin().bytes(payload).finish(name))
        await refused((async () => decodeVersion(row, 'key', name))(), 'META_RECORD_DAMAGED')
      }),
    )
  })

  test('a row of a newer format says so', async () => {
    const name = Buffer.from('name')
    const body = { kind: 'blobs' as const, blobs: [], manifest: Buffer.alloc(0) }
    const row = Buffer.from(encodeBlobs(new RowWriter(), body, name))
    const { crc32 } = await import('node:zlib')
    row[0] = 99
    row.writeUInt32BE(crc32(row.subarray(0, -4), crc32(name)), row.length - 4)
    await refused((async () => decodeBlobs(row, name))(), 'META_FORMAT_NEWER')
  })

  test('rows larger than the writer began with are whole', () => {
    const body = {
      kind: 'blobs' as const,
      blobs: Array.from({ length: 10_000 }, (_, index) => ({
        blobId: `00000000000000aa-${index.toString(16).padStart(24, '0')}`,
        storedSizeBytes: index,
      })),
      manifest: Buffer.alloc(300_000, 7),
    }
    const name = Buffer.from('name')
    expect(plain(decodeBlobs(Buffer.from(encodeBlobs(new RowWriter(), body, name)), name))).toEqual(plain(body))
  })
})

describe('keys', () => {
  const sorted = (a: Buffer, b: Buffer): number => Math.sign(Buffer.compare(a, b))

  test('rows sort by the bytes of the key, its newest version first, then from new to old', () => {
    fc.assert(
      fc.property(objectKey, objectKey, hex(32), hex(32), (a, b, idA, idB) => {
        const [nameA, nameB] = [objectName(bucketId, a), objectName(bucketId, b)]
        const order = sorted(Buffer.from(a), Buffer.from(b))
        if (order !== 0) {
          expect(sorted(headKey(nameA), headKey(nameB))).toBe(order)
          expect(sorted(olderVersionKey(nameA, idA), headKey(nameB))).toBe(order)
        }
        expect(sorted(headKey(nameA), olderVersionKey(nameA, idA))).toBe(-1)
        expect(sorted(olderVersionKey(nameA, idA), olderVersionKey(nameA, idB))).toBe(
          idA === idB ? 0 : idA > idB ? -1 : 1,
        )
        expect(versionIdIn(olderVersionKey(nameA, idA))).toBe(idA)
      }),
    )
  })

  test('what comes after a prefix is after everything below it, and nothing is between', () => {
    fc.assert(
      fc.property(bytes(20), bytes(20), (prefix, rest) => {
        const after = afterPrefix(prefix)
        const below = Buffer.concat([prefix, rest])
        if (after) expect(Buffer.compare(after, below)).toBe(1)
        else expect(prefix.every((byte) => byte === 0xff)).toBe(true)
        if (after && Buffer.compare(rest, prefix) > 0 && !rest.subarray(0, prefix.length).equals(prefix)) {
          expect(Buffer.compare(rest, after)).toBeGreaterThanOrEqual(0)
        }
      }),
    )
  })

  test('a blob id reads back from its bytes', () => {
    fc.assert(
      fc.property(hex(16), hex(24), (writer, blob) => {
        expect(blobIdOf(blobKey(`${writer}-${blob}`))).toBe(`${writer}-${blob}`)
      }),
    )
  })
})

describe('where an inline body is kept', () => {
  test('at most 512 bytes of it are beside the record, and a sealed 4 KiB object takes one page', () => {
    fc.assert(
      fc.property(fc.nat({ max: 200_000 }), (sizeBytes) => {
        const tail = sizeBytes - bytesOutOfLine(sizeBytes)
        expect(tail).toBeGreaterThanOrEqual(0)
        expect(tail).toBeLessThanOrEqual(512)
      }),
    )
    expect(bytesOutOfLine(4_096 + 16)).toBe(4_072)
  })
})
