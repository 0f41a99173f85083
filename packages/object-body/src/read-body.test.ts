import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BlobStore } from '@coffer/blob-store'
import { openFsBlobStore } from '@coffer/blob-store/drivers/fs'
import { type DataAlgorithm, generateObjectKey } from '@coffer/crypto-core'
import type { BlobRef } from '@coffer/metadata-store'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type ManifestPart,
  type OpenedBody,
  openBlobs,
  openInline,
  type PlainStream,
  sealInline,
  sealToBlob,
} from './index.ts'

/** More parts than are opened before a reply begins. */
const PARTS = 132
const PART_BYTES = 1_000

describe('a body whose data is replaced while it is read', () => {
  const writerId = randomBytes(8).toString('hex')
  let directory: string
  let blobs: BlobStore
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'coffer-body-'))
    blobs = await openFsBlobStore({ directory })
  })
  afterAll(async () => {
    await blobs.close()
    await rm(directory, { recursive: true, force: true })
  })

  /** The plaintext in parts of one size, sealed under a key of its own. */
  const store = async (plain: Buffer, algorithm: DataAlgorithm, partBytes = PART_BYTES): Promise<OpenedBody> => {
    const objectKey = generateObjectKey(algorithm)
    const parts: { blob: BlobRef; part: ManifestPart }[] = []
    for (let start = 0; start < plain.length; start += partBytes) {
      const piece = plain.subarray(start, start + partBytes)
      const partNumber = parts.length + 1
      const source = (async function* () {
        yield [piece]
      })()
      const { blob, salt } = await sealToBlob(
        source,
        piece.length,
        { objectKey, algorithm, partNumber },
        { blobs, writerId },
      )
      parts.push({ blob, part: { number: partNumber, sizeBytes: piece.length, salt } })
    }
    return { objectKey, blobs: parts.map(({ blob }) => blob), manifest: parts.map(({ part }) => part) }
  }
  const remove = async (body: OpenedBody) => {
    for (const { blobId } of body.blobs) await blobs.delete(blobId)
  }
  const readAll = async (stream: PlainStream): Promise<Buffer> => {
    const pieces: Uint8Array[] = []
    for await (const batch of stream) for (const piece of batch) pieces.push(Uint8Array.from(piece))
    return Buffer.concat(pieces)
  }
  const plain = randomBytes(PARTS * PART_BYTES)
  const whole = { offsetBytes: 0, lengthBytes: plain.length }

  it('goes on in the new data, under the new key, where the parts are the same', async () => {
    const before = await store(plain, 'AES-256-GCM')
    const after = await store(plain, 'CHACHA20-POLY1305')
    let lookups = 0
    const stream = await openBlobs(blobs, before, whole, async () => {
      lookups += 1
      return after
    })
    await remove(before)
    expect((await readAll(stream)).equals(plain)).toBe(true)
    expect(lookups).toBe(1)
    await remove(after)
  })

  it('ends with an error where the parts are others, where the object is gone, and without a second look-up', async () => {
    const other = await store(plain, 'AES-256-GCM', PART_BYTES / 2)
    // As many parts: each of them would give a piece of a place that it is not at.
    const larger = await store(Buffer.concat([plain, plain]), 'AES-256-GCM', PART_BYTES * 2)
    for (const again of [undefined, async () => other, async () => larger, () => Promise.reject(new Error('gone'))]) {
      const before = await store(plain, 'AES-256-GCM')
      const stream = await openBlobs(blobs, before, whole, again)
      await remove(before)
      await expect(readAll(stream)).rejects.toThrow()
    }
    await remove(other)
    await remove(larger)
  })

  it('never takes an older attempt of a part, under the same object key, for the one that its manifest names', async () => {
    const objectKey = generateObjectKey('AES-256-GCM')
    const attempt = async (text: string) => {
      const source = (async function* () {
        yield [Buffer.from(text)]
      })()
      const stream = { objectKey, algorithm: 'AES-256-GCM', partNumber: 1 } as const
      return await sealToBlob(source, text.length, stream, { blobs, writerId })
    }
    const [older, newer] = [await attempt('older'), await attempt('newer')]
    const manifest = [{ number: 1, sizeBytes: 5, salt: newer.salt }]
    const range = { offsetBytes: 0, lengthBytes: 5 }
    const genuine = await openBlobs(blobs, { objectKey, blobs: [newer.blob], manifest }, range)
    expect((await readAll(genuine)).toString()).toBe('newer')
    const replayed = await openBlobs(blobs, { objectKey, blobs: [older.blob], manifest }, range)
    await expect(readAll(replayed)).rejects.toMatchObject({ code: 'CRYPTO_STREAM_MISMATCH' })
  })

  it('never passes the parts of another object off as its own', async () => {
    const before = await store(plain, 'AES-256-GCM')
    const after = await store(plain, 'AES-256-GCM')
    const stranger = await store(randomBytes(plain.length), 'AES-256-GCM')
    const stream = await openBlobs(blobs, before, whole, async () => ({ ...after, blobs: stranger.blobs }))
    await remove(before)
    await expect(readAll(stream)).rejects.toMatchObject({ code: expect.stringMatching(/^CRYPTO_/) })
    await remove(after)
    await remove(stranger)
  })
})

describe('a small body beside its record', () => {
  const objectKey = generateObjectKey('AES-256-GCM')
  const identity = { objectKey, algorithm: 'AES-256-GCM', partNumber: 0 } as const
  const range = { offsetBytes: 0, lengthBytes: 5 }

  it('opens only as the very stream that its record names: another of the same object key is an older body', () => {
    const [older, newer] = [sealInline(Buffer.from('older'), identity), sealInline(Buffer.from('newer'), identity)]
    expect(Buffer.from(openInline(objectKey, newer.bytes, newer.salt, range)).toString()).toBe('newer')
    const mismatch = expect.objectContaining({ code: 'CRYPTO_STREAM_MISMATCH' })
    expect(() => openInline(objectKey, older.bytes, newer.salt, range)).toThrow(mismatch)
    expect(() => openInline(objectKey, newer.bytes, '', range)).toThrow(mismatch)
  })
})
