import type { DataAlgorithmRow } from './algorithms.ts'
import { cryptoError } from './errors.ts'
import type { Secret } from './secret.ts'
import { segmentCipher } from './segment-cipher.ts'
import { deriveStreamKey, parseStreamHeader, SEGMENT_SIZE_BYTES, segmentCountOf } from './stream-format.ts'

/**
 * Seals a plaintext of known size as it comes, in any split, without holding any of it back: a segment's nonce says whether it
 * is the last, and with the size known that is known when it begins. FORMAT.md, section 4.
 *
 *     const sealer = new StreamSealer(objectKey, newStreamHeader({ algorithm, partNumber: 0 }), { plainSizeBytes: 5 })
 *     const stored = [...sealer.seal(Buffer.from('hel'), false), ...sealer.seal(Buffer.from('lo'), true)]
 */
export class StreamSealer {
  readonly #key: Buffer
  readonly #header: Uint8Array
  readonly #algorithm: DataAlgorithmRow
  readonly #plainTotalBytes: number
  readonly #segmentCount: number
  #sealedBytes = 0
  #segmentIndex = 0
  #cipher: ReturnType<typeof segmentCipher> | undefined
  #begun = false
  #ended = false

  constructor(objectKey: Secret, header: Uint8Array, options: { readonly plainSizeBytes: number }) {
    this.#key = deriveStreamKey(objectKey, header)
    this.#header = header
    this.#algorithm = parseStreamHeader(header).algorithm
    this.#plainTotalBytes = options.plainSizeBytes
    this.#segmentCount = segmentCountOf(options.plainSizeBytes)
  }

  /**
   * Ciphertext that follows from these bytes, in pieces ready to be written, the header first. `final`: no more will come.
   * CRYPTO_STREAM_ENDED if the bytes are not as many as announced.
   */
  seal(plain: Uint8Array, final: boolean): Uint8Array[] {
    const pieces: Uint8Array[] = this.#begun ? [] : [this.#header]
    this.#begun = true
    const afterBytes = this.#sealedBytes + plain.length
    const fits = final ? afterBytes === this.#plainTotalBytes : afterBytes <= this.#plainTotalBytes
    if (this.#ended || !fits) throw cryptoError('CRYPTO_STREAM_ENDED')
    let offset = 0
    while (offset < plain.length) offset += this.#sealInto(pieces, plain, offset)
    if (final) this.#end(pieces)
    return pieces
  }

  /** Seals what fits into the current segment; returns how much that was. */
  #sealInto(pieces: Uint8Array[], plain: Uint8Array, offset: number): number {
    this.#cipher ??= this.#nextCipher()
    const segmentStartBytes = this.#segmentIndex * SEGMENT_SIZE_BYTES
    const segmentEndBytes = Math.min(segmentStartBytes + SEGMENT_SIZE_BYTES, this.#plainTotalBytes)
    const taken = Math.min(plain.length - offset, segmentEndBytes - this.#sealedBytes)
    pieces.push(this.#cipher.update(plain.subarray(offset, offset + taken)))
    this.#sealedBytes += taken
    if (this.#sealedBytes === segmentEndBytes) this.#closeSegment(pieces)
    return taken
  }

  #closeSegment(pieces: Uint8Array[]): void {
    const cipher = this.#cipher ?? this.#nextCipher()
    cipher.final()
    pieces.push(cipher.getAuthTag())
    this.#cipher = undefined
    this.#segmentIndex++
  }

  #end(pieces: Uint8Array[]): void {
    // The one segment of an empty plaintext.
    if (this.#plainTotalBytes === 0) this.#closeSegment(pieces)
    this.#ended = true
    this.#key.fill(0)
  }

  #nextCipher() {
    const isFinal = this.#segmentIndex === this.#segmentCount - 1
    return segmentCipher(this.#algorithm, this.#key, this.#segmentIndex, isFinal)
  }
}
