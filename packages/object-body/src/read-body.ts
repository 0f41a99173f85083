import type { BlobStore, OpenBlob } from '@coffer/blob-store'
import {
  layerCountOf,
  openWhole,
  type Secret,
  STREAM_HEADER_SIZE_BYTES,
  StreamOpener,
  sealedRangeOf,
  sealedSegmentSizeBytes,
} from '@coffer/crypto-core'
import { invariant, isCofferError } from '@coffer/errors'
import type { BlobRef } from '@coffer/metadata-store'
import { freeBytes } from './free-bytes.ts'
import type { ManifestPart } from './manifest.ts'

/** Batches of verified plaintext. Returning early closes what it holds open. */
export type PlainStream = AsyncGenerator<readonly Uint8Array[], void>

/** A body whose key and parts are known: `manifest` and `blobs` are of the same length. */
export interface OpenedBody {
  readonly objectKey: Secret
  readonly blobs: readonly BlobRef[]
  readonly manifest: readonly ManifestPart[]
}

export interface ByteRange {
  readonly offsetBytes: number
  readonly lengthBytes: number
}

/** Blobs opened before the reply begins, so that a version deleted meanwhile stays readable; past that, one by one. */
const EAGER_BLOBS_MAX = 128
/** Of a part that is gone when its turn comes. */
const LOOKUPS_MAX = 4
/** Read from a blob at once: about 1 MiB. */
const READ_SEGMENTS = 16

/** A range of one part; `index` is the part's place in the manifest. */
interface PartRange {
  readonly index: number
  readonly range: ByteRange
}

/** Plaintext of an inline body, for a range of it. */
export function openInline(objectKey: Secret, sealed: Uint8Array, salt: string, range: ByteRange): Uint8Array {
  const plain = openWhole(objectKey, sealed, { partNumber: 0, salt: Buffer.from(salt, 'base64') })
  return plain.subarray(range.offsetBytes, range.offsetBytes + range.lengthBytes)
}

/**
 * Opens the blobs that hold a range of an object. BLOB_NOT_FOUND before anything is read: the version was deleted after it
 * was looked up. The stream yields verified plaintext only; `return()` closes what is open, read or not. `again` looks the
 * same version up anew, where a later part is gone: its data may have been encrypted anew meanwhile, in the same parts.
 */
export async function openBlobs(
  blobs: BlobStore,
  body: OpenedBody,
  range: ByteRange,
  again?: () => Promise<OpenedBody>,
): Promise<PlainStream> {
  const stream = readParts(new PartReader(blobs, body, again), partsOf(body.manifest, range))
  // Up to its first, empty batch: from then on the generator cleans up after itself.
  await stream.next()
  return stream
}

async function* readParts(reader: PartReader, partRanges: readonly PartRange[]): PlainStream {
  const opened = new Map<PartRange, OpenPart>()
  try {
    for (const partRange of partRanges.slice(0, EAGER_BLOBS_MAX)) opened.set(partRange, await reader.open(partRange))
    yield []
    for (const partRange of partRanges) {
      const part = opened.get(partRange) ?? (await reader.openLate(partRange))
      opened.set(partRange, part)
      yield* readPart(part, partRange.range)
      opened.delete(partRange)
      await part.blob.close()
    }
  } finally {
    await closeAll(opened.values())
  }
}

interface OpenPart {
  readonly objectKey: Secret
  readonly part: ManifestPart
  readonly blob: OpenBlob
}

class PartReader {
  readonly #blobs: BlobStore
  readonly #again: (() => Promise<OpenedBody>) | undefined
  #body: OpenedBody

  constructor(blobs: BlobStore, body: OpenedBody, again: (() => Promise<OpenedBody>) | undefined) {
    this.#blobs = blobs
    this.#body = body
    this.#again = again
  }

  async open({ index }: PartRange): Promise<OpenPart> {
    const { objectKey, manifest, blobs } = this.#body
    const [part, ref] = [manifest[index], blobs[index]]
    invariant(part !== undefined && ref !== undefined, 'a part of the manifest has a blob')
    return { objectKey, part, blob: await this.#blobs.open(ref.blobId) }
  }

  /** After the reply has begun: what is read now must be the same version, part for part. */
  async openLate(partRange: PartRange): Promise<OpenPart> {
    for (let lookup = 1; ; lookup++) {
      try {
        return await this.open(partRange)
      } catch (error) {
        const isGone = isCofferError(error, 'BLOB_NOT_FOUND')
        if (!isGone || this.#again === undefined || lookup === LOOKUPS_MAX) throw error
        const found = await this.#again()
        if (!isSamePlaintext(found.manifest, this.#body.manifest)) throw error
        this.#body = found
      }
    }
  }
}

function isSamePlaintext(a: readonly ManifestPart[], b: readonly ManifestPart[]): boolean {
  const fits = (part: ManifestPart, index: number) =>
    part.number === b[index]?.number && part.sizeBytes === b[index].sizeBytes
  return a.length === b.length && a.every(fits)
}

async function* readPart({ objectKey, part, blob }: OpenPart, range: ByteRange): PlainStream {
  const layers = layerCountOf(objectKey)
  const sealedSegmentBytes = sealedSegmentSizeBytes(layers)
  const readBytesMax = READ_SEGMENTS * sealedSegmentBytes
  const sealed = sealedRangeOf(part.sizeBytes, range, layers)
  const endBytes = sealed.offsetBytes + sealed.lengthBytes
  const lengthBytesAt = (offset: number) => Math.min(readBytesMax, endBytes - offset)
  const {
    header,
    chunk: first,
    buffers: beginning,
  } = await readBeginning(blob, sealed.offsetBytes, lengthBytesAt(sealed.offsetBytes))
  const buffers = new AlternatingBuffers(Math.min(readBytesMax, endBytes - sealed.offsetBytes - first.length))
  const opener = new StreamOpener(objectKey, header, {
    plainTotalBytes: part.sizeBytes,
    expectedPartNumber: part.number,
    expectedSalt: Buffer.from(part.salt, 'base64'),
  })
  try {
    let chunk = first
    let offsetBytes = sealed.offsetBytes
    let segmentIndex = sealed.firstSegmentIndex
    let skipBytes = sealed.skipBytes
    let leftBytes = sealed.takeBytes
    while (leftBytes > 0) {
      const nextOffsetBytes = offsetBytes + chunk.length
      // Read ahead: the disk works while the cipher does.
      const nextBytes = lengthBytesAt(nextOffsetBytes)
      const next = nextBytes > 0 ? blob.read(nextOffsetBytes, nextBytes, buffers.next()) : undefined
      next?.catch(() => undefined)
      const batch = trim(opener.openSegments(segmentIndex, chunk), skipBytes, leftBytes)
      leftBytes -= sizeOf(batch)
      skipBytes = 0
      segmentIndex += Math.ceil(chunk.length / sealedSegmentBytes)
      if (chunk === first) for (const bytes of beginning) freeBytes(bytes)
      yield batch
      if (next === undefined) return
      chunk = await next
      offsetBytes = nextOffsetBytes
    }
  } finally {
    opener.wipe()
  }
}

interface Beginning {
  readonly header: Uint8Array
  readonly chunk: Uint8Array
  /** What both lie in. */
  readonly buffers: readonly Uint8Array[]
}

/** The stream's header and the first chunk: one read where they lie side by side. */
async function readBeginning(blob: OpenBlob, offsetBytes: number, lengthBytes: number): Promise<Beginning> {
  if (offsetBytes === STREAM_HEADER_SIZE_BYTES) {
    const both = await blob.read(0, STREAM_HEADER_SIZE_BYTES + lengthBytes)
    const [header, chunk] = [both.subarray(0, STREAM_HEADER_SIZE_BYTES), both.subarray(STREAM_HEADER_SIZE_BYTES)]
    return { header, chunk, buffers: [both] }
  }
  const [header, chunk] = await Promise.all([
    blob.read(0, STREAM_HEADER_SIZE_BYTES),
    blob.read(offsetBytes, lengthBytes),
  ])
  return { header, chunk, buffers: [chunk] }
}

/** Two buffers for ciphertext: one is read into while the other is opened, for the whole of a part. */
class AlternatingBuffers {
  readonly #sizeBytes: number
  #free: Uint8Array | undefined
  #busy: Uint8Array | undefined

  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes
  }

  /** What the call before the last returned, or a new one. */
  next(): Uint8Array {
    const buffer = this.#free ?? Buffer.allocUnsafeSlow(this.#sizeBytes)
    this.#free = this.#busy
    this.#busy = buffer
    return buffer
  }
}

/** Which parts a range touches, and which range of each. */
function partsOf(manifest: readonly ManifestPart[], range: ByteRange): PartRange[] {
  const touched: PartRange[] = []
  const endBytes = range.offsetBytes + range.lengthBytes
  let partStartBytes = 0
  for (const [index, part] of manifest.entries()) {
    const partEndBytes = partStartBytes + part.sizeBytes
    const fromBytes = Math.max(range.offsetBytes, partStartBytes)
    const toBytes = Math.min(endBytes, partEndBytes)
    if (fromBytes < toBytes) {
      const offsetBytes = fromBytes - partStartBytes
      touched.push({ index, range: { offsetBytes, lengthBytes: toBytes - fromBytes } })
    }
    partStartBytes = partEndBytes
  }
  return touched
}

function trim(pieces: readonly Uint8Array[], skipBytes: number, takeBytes: number): Uint8Array[] {
  const trimmed: Uint8Array[] = []
  let skip = skipBytes
  let take = takeBytes
  for (const piece of pieces) {
    const kept = piece.subarray(skip, skip + take)
    skip = Math.max(0, skip - piece.length)
    take -= kept.length
    if (kept.length > 0) trimmed.push(kept)
  }
  return trimmed
}

function sizeOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, piece) => sum + piece.length, 0)
}

async function closeAll(parts: Iterable<OpenPart>): Promise<void> {
  for (const { blob } of parts) await blob.close().catch(() => undefined)
}
