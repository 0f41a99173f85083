import { type PlacedBlobStore, STANDARD, type StoreNumber } from '@coffer/blob-store'
import { invariant } from '@coffer/errors'
import type { BlobRef, WriterId } from '@coffer/metadata-store'
import { type ManifestPart, type StreamIdentity, sealInline, sealToBlob } from '@coffer/object-body'
import type { StoredChecksum } from '@coffer/object-record'
import {
  type Checksum,
  type ChecksumAlgorithm,
  combineCrc,
  compositeChecksum,
  createChecksum,
  createEtagHash,
  DEFAULT_CHECKSUM_ALGORITHM,
  hasMd5,
  loadChecksum,
} from '@coffer/s3-protocol'
import type { RateLimit } from '../jobs/rate-limit.ts'
import type { AdoptSource, SourceObject, SourceVersion } from './source.ts'
import { sourceError } from './source-errors.ts'

export interface ReceivingMeans {
  readonly source: AdoptSource
  readonly blobs: PlacedBlobStore
  readonly writerId: WriterId
  /** Objects up to this size are kept beside their metadata. */
  readonly inlineSizeBytesMax: number
  readonly bytesRate: RateLimit
  readonly signal: AbortSignal
}

type Stream = Pick<StreamIdentity, 'objectKey' | 'algorithm'>

/** An object as it arrived: sealed, and what the source told of it found true. */
export interface ReceivedBody {
  readonly sizeBytes: number
  readonly etagHex: string
  readonly partCount?: number
  readonly checksum: StoredChecksum
  readonly body:
    | { readonly kind: 'inline'; readonly bytes: Uint8Array; readonly salt: string }
    | { readonly kind: 'blobs'; readonly blobs: readonly BlobRef[]; readonly parts: readonly ManifestPart[] }
}

interface ReceivedBytes {
  readonly sizeBytes: number
  readonly md5: Buffer
  readonly sum: Buffer
}

const CRCS: ReadonlySet<ChecksumAlgorithm> = new Set(['CRC32', 'CRC32C', 'CRC64NVME'])
const SMALL_BODY_BYTES_MAX = 128 * 1024

/**
 * Reads an object into this store, never more of it in memory than a few pieces. ROTATION_SOURCE_DAMAGED: another length, MD5 or
 * checksum than the source tells; then nothing is left of it.
 */
export async function receiveBody(
  means: ReceivingMeans,
  version: SourceVersion,
  object: SourceObject,
  stream: Stream,
): Promise<ReceivedBody> {
  await loadChecksum(DEFAULT_CHECKSUM_ALGORITHM)
  await loadChecksum(object.checksum?.algorithm)
  return object.partCount === undefined
    ? await receiveWhole(means, version, object, stream)
    : await receiveParts(means, version, { ...object, partCount: object.partCount }, stream)
}

async function receiveWhole(
  means: ReceivingMeans,
  version: SourceVersion,
  object: SourceObject,
  stream: Stream,
): Promise<ReceivedBody> {
  const told = object.checksum?.type === 'FULL_OBJECT' ? object.checksum : undefined
  const algorithm = told?.algorithm ?? DEFAULT_CHECKSUM_ALGORITHM
  const { sizeBytes, pieces } = await means.source.read(version, object)
  const isWhole = !object.etag.includes('-')
  const bytes = new ArrivingBytes(means, pieces, algorithm, ({ sizeBytes: arrivedBytes, md5, sum }) => {
    assertSame('length', object.sizeBytes, arrivedBytes)
    if (object.hasMd5Etag && isWhole && hasMd5()) assertSame('MD5', object.etag, md5.toString('hex'))
    if (told) assertSame(algorithm, told.value, sum.toString('base64'))
  })
  const identity = { ...stream, partNumber: 0 }
  if (sizeBytes <= Math.min(means.inlineSizeBytesMax, SMALL_BODY_BYTES_MAX)) {
    const plain = await bytes.whole(sizeBytes)
    const sealed = sealInline(plain, identity)
    plain.fill(0)
    return { ...describe(object, algorithm, bytes.received, isWhole), body: { kind: 'inline', ...sealed } }
  }
  const { blob, salt } = await sealToBlob(bytes.pieces(), sizeBytes, identity, await placeIn(means))
  const parts = [{ number: 0, sizeBytes, salt }]
  return { ...describe(object, algorithm, bytes.received, isWhole), body: { kind: 'blobs', blobs: [blob], parts } }
}

function describe(
  object: SourceObject,
  algorithm: ChecksumAlgorithm,
  { sizeBytes, md5, sum }: ReceivedBytes,
  isWhole: boolean,
): Omit<ReceivedBody, 'body'> {
  // In FIPS mode there is no MD5 to be made; the source's says the same.
  const keepsEtag = !hasMd5() && object.hasMd5Etag && isWhole
  return {
    sizeBytes,
    etagHex: keepsEtag ? object.etag : md5.toString('hex'),
    checksum: { algorithm, type: 'FULL_OBJECT', value: sum.toString('base64') },
  }
}

/** Part by part, as it was uploaded: so its ETag and composite checksums stay, and can be verified. */
async function receiveParts(
  means: ReceivingMeans,
  version: SourceVersion,
  object: SourceObject & { readonly partCount: number },
  stream: Stream,
): Promise<ReceivedBody> {
  const told = toldOfParts(object)
  const { algorithm, type } = told ?? { algorithm: DEFAULT_CHECKSUM_ALGORITHM, type: 'FULL_OBJECT' as const }
  const blobs: BlobRef[] = []
  const parts: ManifestPart[] = []
  const arrived: ReceivedBytes[] = []
  try {
    const place = await placeIn(means)
    let offsetBytes = 0
    for (let number = 1; number <= object.partCount; number++) {
      const { sizeBytes, pieces } = await means.source.read(version, object, { number, offsetBytes })
      offsetBytes += sizeBytes
      const bytes = new ArrivingBytes(means, pieces, algorithm, (received) =>
        assertSame(`length of part ${number}`, sizeBytes, received.sizeBytes),
      )
      const { blob, salt } = await sealToBlob(bytes.pieces(), sizeBytes, { ...stream, partNumber: number }, place)
      blobs.push(blob)
      arrived.push(bytes.received)
      parts.push({ number, sizeBytes, salt, checksum: bytes.received.sum.toString('base64') })
    }
    const sizeBytes = arrived.reduce((sum, part) => sum + part.sizeBytes, 0)
    const etagHex = etagOfParts(arrived)
    const sums = arrived.map((part) => ({ value: part.sum, sizeBytes: part.sizeBytes }))
    const value =
      type === 'COMPOSITE'
        ? await compositeChecksum(
            algorithm,
            sums.map((sum) => sum.value),
          )
        : combineCrc(algorithm, sums)
    assertSame('length', object.sizeBytes, sizeBytes)
    if (object.hasMd5Etag && hasMd5()) assertSame('MD5 of parts', object.etag, `${etagHex}-${object.partCount}`)
    if (told) assertSame(algorithm, told.value, value)
    const keepsEtag = !hasMd5() && object.hasMd5Etag
    return {
      sizeBytes,
      etagHex: keepsEtag ? object.etag.slice(0, object.etag.indexOf('-')) : etagHex,
      partCount: object.partCount,
      checksum: { algorithm, type, value },
      body: { kind: 'blobs', blobs, parts },
    }
  } catch (error) {
    for (const { blobId } of blobs) await means.blobs.delete(blobId)
    throw error
  }
}

/** Where objects of the class STANDARD go: what they were kept in at the source means nothing here. */
async function placeIn(
  means: ReceivingMeans,
): Promise<Pick<ReceivingMeans, 'blobs' | 'writerId'> & { readonly store: StoreNumber }> {
  return { ...means, store: (await means.blobs.placeOf(STANDARD)) ?? 0 }
}

/** S3 API, CompleteMultipartUpload: the MD5 of the parts' MD5s. */
function etagOfParts(parts: readonly ReceivedBytes[]): string {
  const hash = createEtagHash()
  for (const { md5 } of parts) hash.update(md5)
  return hash.digest().toString('hex')
}

/** A checksum of the object that its parts' make up. */
function toldOfParts({ checksum }: SourceObject): SourceObject['checksum'] {
  if (checksum?.type === 'COMPOSITE') return checksum
  return checksum && CRCS.has(checksum.algorithm) ? checksum : undefined
}

function assertSame(what: string, told: string | number, arrived: string | number): void {
  if (told !== arrived) throw sourceError('ROTATION_SOURCE_DAMAGED', what)
}

/** Digests bytes on their way, at the rate that the job may take; `verify` speaks before they are taken for whole. */
class ArrivingBytes {
  readonly #means: ReceivingMeans
  readonly #source: AsyncIterable<Uint8Array>
  readonly #sum: Checksum
  readonly #verify: (received: ReceivedBytes) => void
  #received: ReceivedBytes | undefined

  constructor(
    means: ReceivingMeans,
    source: AsyncIterable<Uint8Array>,
    algorithm: ChecksumAlgorithm,
    verify: (received: ReceivedBytes) => void,
  ) {
    this.#means = means
    this.#source = source
    this.#sum = createChecksum(algorithm)
    this.#verify = verify
  }

  get received(): ReceivedBytes {
    invariant(this.#received !== undefined, 'a body is described when it has been read')
    return this.#received
  }

  async *pieces(): AsyncGenerator<readonly Uint8Array[], void> {
    const { bytesRate, signal } = this.#means
    const md5 = createEtagHash()
    let sizeBytes = 0
    for await (const piece of this.#source) {
      await bytesRate.take(piece.length, signal)
      signal.throwIfAborted()
      md5.update(piece)
      this.#sum.update(piece)
      sizeBytes += piece.length
      yield [piece]
    }
    this.#received = { sizeBytes, md5: md5.digest(), sum: this.#sum.digest() }
    this.#verify(this.#received)
  }

  /** Of a small one. */
  async whole(sizeBytes: number): Promise<Buffer> {
    const pieces: Uint8Array[] = []
    for await (const batch of this.pieces()) pieces.push(...batch)
    return Buffer.concat(pieces, sizeBytes)
  }
}
