import { timingSafeEqual } from 'node:crypto'
import type { DataAlgorithmRow } from './algorithms.ts'
import { cryptoError } from './errors.ts'
import type { Secret } from './secret.ts'
import { openSegment } from './segment-cipher.ts'
import {
  deriveStreamKeys,
  parseStreamHeader,
  SEGMENT_SIZE_BYTES,
  type StreamKeys,
  sealedSegmentSizeBytes,
  segmentCountOf,
  TAG_SIZE_BYTES,
  wipeStreamKeys,
} from './stream-format.ts'

/** What the reader knows of the stream from its sealed record. */
export interface ExpectedStream {
  /** Plaintext size of the whole stream: says which segment is the last. */
  readonly plainTotalBytes: number
  readonly expectedPartNumber: number
  /** Pins one attempt: an older one of the same part is refused. */
  readonly expectedSalt?: Uint8Array
}

/** Opens any segments of a stream, in any order. Nothing is returned before its tag has been checked. */
export class StreamOpener {
  readonly #keys: StreamKeys
  readonly #algorithm: DataAlgorithmRow
  readonly #plainTotalBytes: number
  readonly #segmentCount: number

  /** CRYPTO_HEADER_UNKNOWN; CRYPTO_STREAM_MISMATCH if the header is not that of the expected stream; CRYPTO_KEY_LENGTH. */
  constructor(objectKey: Secret, header: Uint8Array, expected: ExpectedStream) {
    const { algorithm, partNumber, salt } = parseStreamHeader(header)
    const saltFits =
      expected.expectedSalt === undefined ||
      (expected.expectedSalt.length === salt.length && timingSafeEqual(expected.expectedSalt, salt))
    if (partNumber !== expected.expectedPartNumber || !saltFits) throw cryptoError('CRYPTO_STREAM_MISMATCH')
    this.#keys = deriveStreamKeys(objectKey, header, algorithm)
    this.#algorithm = algorithm
    this.#plainTotalBytes = expected.plainTotalBytes
    this.#segmentCount = segmentCountOf(expected.plainTotalBytes)
  }

  /**
   * Plaintext of consecutive whole segments, one buffer each; `sealed` begins with segment `firstSegmentIndex` (from 0).
   * CRYPTO_SEGMENT_DAMAGED; CRYPTO_SEGMENT_TRUNCATED if one is not whole, or there is none: a reader that counts down to the
   * end of its range never waits for bytes that aren't there.
   */
  openSegments(firstSegmentIndex: number, sealed: Uint8Array): Buffer[] {
    if (sealed.length === 0) throw cryptoError('CRYPTO_SEGMENT_TRUNCATED', { segmentIndex: firstSegmentIndex })
    const plain: Buffer[] = []
    let segmentIndex = firstSegmentIndex
    for (let offset = 0; offset < sealed.length; segmentIndex++) {
      const lengthBytes = this.#sealedLengthOf(segmentIndex)
      if (offset + lengthBytes > sealed.length) throw cryptoError('CRYPTO_SEGMENT_TRUNCATED', { segmentIndex })
      const segment = sealed.subarray(offset, offset + lengthBytes)
      const isFinal = segmentIndex === this.#segmentCount - 1
      plain.push(openSegment(this.#algorithm, this.#keys, segmentIndex, isFinal, segment))
      offset += lengthBytes
    }
    return plain
  }

  /** Overwrites the stream's keys; any later use throws CRYPTO_SECRET_WIPED. */
  wipe(): void {
    wipeStreamKeys(this.#keys)
  }

  #sealedLengthOf(segmentIndex: number): number {
    if (segmentIndex >= this.#segmentCount) throw cryptoError('CRYPTO_SEGMENT_DAMAGED', { segmentIndex })
    const { layers } = this.#algorithm
    if (segmentIndex < this.#segmentCount - 1) return sealedSegmentSizeBytes(layers)
    return this.#plainTotalBytes - segmentIndex * SEGMENT_SIZE_BYTES + layers * TAG_SIZE_BYTES
  }
}
