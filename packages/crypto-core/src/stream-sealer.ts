import type { DataAlgorithmRow } from './algorithms.ts'
import { cryptoError } from './errors.ts'
import type { Secret } from './secret.ts'
import { type SegmentCipher, segmentCipher } from './segment-cipher.ts'
import {
  deriveStreamKeys,
  parseStreamHeader,
  SEGMENT_SIZE_BYTES,
  type StreamKeys,
  segmentCountOf,
  wipeStreamKeys,
} from './stream-format.ts'

/** A stream whose size nobody has announced: every segment that is begun before the end is not the last. */
const UNKNOWN = Number.POSITIVE_INFINITY

/** Headers that have sealed: with the same salt a second stream would have the key and the nonces of the first (NIST SP 800-38D, section 8). */
const used = new WeakSet<Uint8Array>()

/**
 * Seals a plaintext as it comes, in any split. A segment's nonce says whether it is the last, so that must be known when the
 * segment begins: with `plainSizeBytes` it is, and nothing is held back; without it the sealer keeps a copy of up to one
 * segment until more bytes or the end come. FORMAT.md, section 4.
 *
 *     const sealer = new StreamSealer(objectKey, newStreamHeader({ algorithm, partNumber: 0 }), { plainSizeBytes: 5 })
 *     const stored = [...sealer.seal(Buffer.from('hel'), false), ...sealer.seal(Buffer.from('lo'), true)]
 */
export class StreamSealer {
  readonly #keys: StreamKeys
  readonly #header: Uint8Array
  readonly #algorithm: DataAlgorithmRow
  #plainTotalBytes: number
  #lastSegmentIndex: number
  /** Given but not sealed yet; only while the size is unknown. */
  #held: Buffer[] = []
  #heldBytes = 0
  #sealedBytes = 0
  #segmentIndex = 0
  #cipher: SegmentCipher | undefined
  #begun = false
  #ended = false

  /** `header`: of this stream alone. CRYPTO_HEADER_UNKNOWN, CRYPTO_HEADER_USED, CRYPTO_KEY_LENGTH, CRYPTO_SIZE_INVALID. */
  constructor(objectKey: Secret, header: Uint8Array, options: { readonly plainSizeBytes?: number } = {}) {
    this.#algorithm = parseStreamHeader(header).algorithm
    if (used.has(header)) throw cryptoError('CRYPTO_HEADER_USED')
    used.add(header)
    this.#keys = deriveStreamKeys(objectKey, header, this.#algorithm)
    this.#header = header
    this.#plainTotalBytes = options.plainSizeBytes ?? UNKNOWN
    this.#lastSegmentIndex = options.plainSizeBytes === undefined ? UNKNOWN : segmentCountOf(options.plainSizeBytes) - 1
  }

  /**
   * Ciphertext that follows from these bytes, in pieces ready to be written, the header first. `final`: no more will come.
   * CRYPTO_STREAM_ENDED if the bytes are not as many as announced, or come after the final ones.
   */
  seal(plain: Uint8Array, final: boolean): Uint8Array[] {
    const givenBytes = this.#sealedBytes + this.#heldBytes + plain.length
    if (final && this.#plainTotalBytes === UNKNOWN) this.#announce(givenBytes)
    const fits = final ? givenBytes === this.#plainTotalBytes : givenBytes <= this.#plainTotalBytes
    if (this.#ended || !fits) throw cryptoError('CRYPTO_STREAM_ENDED')
    const pieces: Uint8Array[] = this.#begun ? [] : [this.#header]
    this.#begun = true
    if (final) this.#release(pieces)
    this.#sealInto(pieces, this.#plainTotalBytes === UNKNOWN ? this.#holdBack(pieces, plain) : plain)
    if (final) this.#end(pieces)
    return pieces
  }

  /** Overwrites the stream's keys, at its end or where it is given up; any later `seal` throws CRYPTO_STREAM_ENDED. */
  wipe(): void {
    this.#ended = true
    wipeStreamKeys(this.#keys)
  }

  #announce(plainTotalBytes: number): void {
    this.#lastSegmentIndex = segmentCountOf(plainTotalBytes) - 1
    this.#plainTotalBytes = plainTotalBytes
  }

  /** Keeps a copy of the last 1 to 65,536 bytes, which may be the final segment; returns what of `plain` is before them. */
  #holdBack(pieces: Uint8Array[], plain: Uint8Array): Uint8Array {
    const segments = Math.ceil((this.#heldBytes + plain.length) / SEGMENT_SIZE_BYTES) - 1
    const sealableBytes = segments > 0 ? segments * SEGMENT_SIZE_BYTES - this.#heldBytes : 0
    if (segments > 0) this.#release(pieces)
    this.#held.push(Buffer.from(plain.subarray(sealableBytes)))
    this.#heldBytes += plain.length - sealableBytes
    return plain.subarray(0, sealableBytes)
  }

  /** Seals what was held back. */
  #release(pieces: Uint8Array[]): void {
    const held = this.#held
    this.#held = []
    this.#heldBytes = 0
    for (const bytes of held) this.#sealInto(pieces, bytes)
  }

  #sealInto(pieces: Uint8Array[], plain: Uint8Array): void {
    for (let offset = 0; offset < plain.length; ) {
      this.#cipher ??= this.#nextCipher()
      const segmentEndBytes = Math.min((this.#segmentIndex + 1) * SEGMENT_SIZE_BYTES, this.#plainTotalBytes)
      const taken = Math.min(plain.length - offset, segmentEndBytes - this.#sealedBytes)
      pieces.push(this.#cipher.update(plain.subarray(offset, offset + taken)))
      this.#sealedBytes += taken
      offset += taken
      if (this.#sealedBytes === segmentEndBytes) this.#closeSegment(pieces, this.#cipher)
    }
  }

  #closeSegment(pieces: Uint8Array[], cipher: SegmentCipher): void {
    cipher.final()
    pieces.push(cipher.getAuthTag())
    this.#cipher = undefined
    this.#segmentIndex++
  }

  #end(pieces: Uint8Array[]): void {
    // The one segment of an empty plaintext.
    if (this.#plainTotalBytes === 0) this.#closeSegment(pieces, this.#nextCipher())
    this.wipe()
  }

  #nextCipher(): SegmentCipher {
    return segmentCipher(this.#algorithm, this.#keys, this.#segmentIndex, this.#segmentIndex === this.#lastSegmentIndex)
  }
}
