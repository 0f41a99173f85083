import { algorithmNamed, algorithmWithId, type DataAlgorithm, type DataAlgorithmRow } from './algorithms.ts'
import { expandKey } from './derive.ts'
import { cryptoError } from './errors.ts'
import { encodeFields } from './fields.ts'
import { layerCountOf, splitLayers } from './layers.ts'
import { fillPublicRandom } from './random.ts'
import { Secret } from './secret.ts'

/** Plaintext bytes of every segment but the last. */
export const SEGMENT_SIZE_BYTES = 65_536
export const TAG_SIZE_BYTES = 16
export const STREAM_HEADER_SIZE_BYTES = 48

/** `COFR` in ASCII. */
const MAGIC = 0x434f4652
const VERSION = 1
const SEGMENT_SIZE_LOG2 = 16
const VERSION_AT = 4
const ALGORITHM_AT = 5
const SEGMENT_SIZE_LOG2_AT = 6
const PART_NUMBER_AT = 8
const SALT_AT = 16
const SALT_BYTES = STREAM_HEADER_SIZE_BYTES - SALT_AT
const NONCE_BYTES = 12
const COUNTER_AT = 7
const FINAL_AT = 11
/** The segment counter has 32 bits. */
const SEGMENTS_MAX = 2 ** 32
const LABEL = 'coffer/v1 stream'
const OUTER_LABEL = 'coffer/v1 stream, outer layer'

export interface StreamHeader {
  readonly algorithm: DataAlgorithmRow
  /** 0: an object stored whole; else the part number of a multipart upload. */
  readonly partNumber: number
  /** 32 bytes. */
  readonly salt: Uint8Array
}

/**
 * The 48 bytes before a stream's segments, with a fresh salt: magic, version, algorithm, segment size, part number, salt.
 * All of it goes into the stream's key, and so is authenticated with every segment. FORMAT.md, section 4.
 */
export function newStreamHeader(options: { algorithm: DataAlgorithm; partNumber: number }): Uint8Array {
  const header = Buffer.allocUnsafe(STREAM_HEADER_SIZE_BYTES).fill(0, 0, SALT_AT)
  header.writeUInt32BE(MAGIC, 0)
  header.writeUInt8(VERSION, VERSION_AT)
  header.writeUInt8(algorithmNamed(options.algorithm).id, ALGORITHM_AT)
  header.writeUInt8(SEGMENT_SIZE_LOG2, SEGMENT_SIZE_LOG2_AT)
  header.writeUInt32BE(options.partNumber, PART_NUMBER_AT)
  fillPublicRandom(header, SALT_AT, SALT_BYTES)
  return header
}

/** CRYPTO_HEADER_UNKNOWN for anything but a header of this version, reserved bytes included. */
export function parseStreamHeader(header: Uint8Array): StreamHeader {
  const bytes = Buffer.from(header.buffer, header.byteOffset, header.byteLength)
  const known =
    bytes.length === STREAM_HEADER_SIZE_BYTES &&
    bytes.readUInt32BE(0) === MAGIC &&
    bytes[VERSION_AT] === VERSION &&
    bytes[SEGMENT_SIZE_LOG2_AT] === SEGMENT_SIZE_LOG2 &&
    bytes[SEGMENT_SIZE_LOG2_AT + 1] === 0 &&
    bytes.readUInt32BE(PART_NUMBER_AT + 4) === 0
  if (!known) throw cryptoError('CRYPTO_HEADER_UNKNOWN')
  return {
    algorithm: algorithmWithId(bytes.readUInt8(ALGORITHM_AT)),
    partNumber: bytes.readUInt32BE(PART_NUMBER_AT),
    salt: bytes.subarray(SALT_AT),
  }
}

/** The salt of a header: which stream this is. 32 bytes. */
export function streamSaltOf(header: Uint8Array): Uint8Array {
  return parseStreamHeader(header).salt
}

/** The keys of one stream: no two attempts, parts, objects or layers share one. */
export interface StreamKeys {
  readonly inner: Secret
  /** With two layers. */
  readonly outer?: Secret
}

/** CRYPTO_KEY_LENGTH for an object key of another number of layers than the algorithm of the header has. */
export function deriveStreamKeys(objectKey: Secret, header: Uint8Array, algorithm: DataAlgorithmRow): StreamKeys {
  if (layerCountOf(objectKey) !== algorithm.layers) throw cryptoError('CRYPTO_KEY_LENGTH')
  if (algorithm.layers === 1) return { inner: Secret.take(expandKey(objectKey, encodeFields(LABEL, header))) }
  const { inner, outer } = splitLayers(objectKey)
  const keys = {
    inner: Secret.take(expandKey(inner, encodeFields(LABEL, header))),
    outer: Secret.take(expandKey(outer, encodeFields(OUTER_LABEL, header))),
  }
  inner.wipe()
  outer.wipe()
  return keys
}

export function wipeStreamKeys({ inner, outer }: StreamKeys): void {
  inner.wipe()
  outer?.wipe()
}

/** What a full segment takes when it is stored: a tag for each layer. */
export function sealedSegmentSizeBytes(layers: 1 | 2): number {
  return SEGMENT_SIZE_BYTES + layers * TAG_SIZE_BYTES
}

/** Written anew for each cipher, which copies it. */
const nonce = Buffer.alloc(NONCE_BYTES)

/**
 * The nonce of a segment in the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár: Online Authenticated-Encryption and
 * its Nonce-Reuse Misuse-Resistance, 2015): 7 zero bytes (the key is the stream's own), counter u32 BE, final-segment byte.
 * Valid until the next call.
 */
export function segmentNonce(segmentIndex: number, isFinal: boolean): Buffer {
  nonce.writeUInt32BE(segmentIndex, COUNTER_AT)
  nonce.writeUInt8(isFinal ? 1 : 0, FINAL_AT)
  return nonce
}

/**
 * Segments of a plaintext: an empty one has a single empty segment; the last of a multiple of 64 KiB is full.
 * CRYPTO_SIZE_INVALID for what is no size, or past 256 TiB.
 */
export function segmentCountOf(plainTotalBytes: number): number {
  const isSize = Number.isSafeInteger(plainTotalBytes) && plainTotalBytes >= 0
  const count = Math.max(1, Math.ceil(plainTotalBytes / SEGMENT_SIZE_BYTES))
  if (!isSize || count > SEGMENTS_MAX) throw cryptoError('CRYPTO_SIZE_INVALID', { plainTotalBytes })
  return count
}

/** Size of the stored stream, header included. Inverse: `plainSizeBytes`. */
export function sealedSizeBytes(plainTotalBytes: number, layers: 1 | 2 = 1): number {
  return STREAM_HEADER_SIZE_BYTES + plainTotalBytes + segmentCountOf(plainTotalBytes) * layers * TAG_SIZE_BYTES
}

/** Size of the plaintext of a stored stream; CRYPTO_SEGMENT_TRUNCATED if no stream has this size. */
export function plainSizeBytes(sealedTotalBytes: number, layers: 1 | 2 = 1): number {
  const segmentsBytes = sealedTotalBytes - STREAM_HEADER_SIZE_BYTES
  const count = Math.ceil(segmentsBytes / sealedSegmentSizeBytes(layers))
  const plain = segmentsBytes - count * layers * TAG_SIZE_BYTES
  if (!(plain >= 0) || count < 1 || sealedSizeBytes(plain, layers) !== sealedTotalBytes) {
    throw cryptoError('CRYPTO_SEGMENT_TRUNCATED', { sealedTotalBytes })
  }
  return plain
}

export interface SealedRange {
  /** Where to read in the stored stream. */
  readonly offsetBytes: number
  readonly lengthBytes: number
  readonly firstSegmentIndex: number
  /** Of the opened plaintext: leave out this many bytes, then take this many. */
  readonly skipBytes: number
  readonly takeBytes: number
}

/** Which whole segments hold a range of the plaintext. CRYPTO_SIZE_INVALID if it is empty or not inside. */
export function sealedRangeOf(
  plainTotalBytes: number,
  range: { readonly offsetBytes: number; readonly lengthBytes: number },
  layers: 1 | 2 = 1,
): SealedRange {
  const endBytes = range.offsetBytes + range.lengthBytes
  if (!(range.offsetBytes >= 0 && range.lengthBytes >= 1 && endBytes <= plainTotalBytes)) {
    throw cryptoError('CRYPTO_SIZE_INVALID', { plainTotalBytes, endBytes })
  }
  const firstSegmentIndex = Math.floor(range.offsetBytes / SEGMENT_SIZE_BYTES)
  const lastSegmentIndex = Math.floor((endBytes - 1) / SEGMENT_SIZE_BYTES)
  const segmentBytes = sealedSegmentSizeBytes(layers)
  const offsetBytes = STREAM_HEADER_SIZE_BYTES + firstSegmentIndex * segmentBytes
  const afterLastBytes = STREAM_HEADER_SIZE_BYTES + (lastSegmentIndex + 1) * segmentBytes
  return {
    offsetBytes,
    lengthBytes: Math.min(afterLastBytes, sealedSizeBytes(plainTotalBytes, layers)) - offsetBytes,
    firstSegmentIndex,
    skipBytes: range.offsetBytes - firstSegmentIndex * SEGMENT_SIZE_BYTES,
    takeBytes: range.lengthBytes,
  }
}
