import {
  type Checksum,
  type ChecksumAlgorithm,
  createChecksum,
  createEtagHash,
  DEFAULT_CHECKSUM_ALGORITHM,
  type EtagHash,
  loadChecksum,
  s3Error,
  type VerifiedBody,
} from '@coffer/s3-protocol'
import type { Reply } from '../reply.ts'
import type { Payload } from './payload.ts'

/** The plaintext of a stored object (or a range of it) on its way into another: opened, verified, digested anew. */
export class CopyPayload implements Payload {
  readonly sizeBytes: number
  readonly #source: Pick<Reply, 'body' | 'stream'>
  readonly #md5: EtagHash | undefined
  readonly #algorithm: ChecksumAlgorithm
  #sum: Checksum | undefined
  #readBytes = 0

  constructor(
    source: Pick<Reply, 'body' | 'stream'>,
    options: { sizeBytes: number; md5: boolean; checksumAlgorithm?: ChecksumAlgorithm | undefined },
  ) {
    this.#source = source
    this.sizeBytes = options.sizeBytes
    this.#md5 = options.md5 ? createEtagHash() : undefined
    this.#algorithm = options.checksumAlgorithm ?? DEFAULT_CHECKSUM_ALGORITHM
  }

  async whole(): Promise<{ bytes: Uint8Array; verified: VerifiedBody }> {
    const pieces: Uint8Array[] = []
    for await (const batch of this.pieces()) pieces.push(...batch)
    return { bytes: Buffer.concat(pieces), verified: this.verified() }
  }

  async *pieces(): AsyncGenerator<readonly Uint8Array[]> {
    await loadChecksum(this.#algorithm)
    this.#sum = createChecksum(this.#algorithm)
    const { body, stream } = this.#source
    if (stream === undefined) {
      const bytes = typeof body === 'string' ? Buffer.from(body) : (body ?? new Uint8Array(0))
      this.#digest(bytes)
      yield [bytes]
      return
    }
    for await (const batch of stream) {
      for (const piece of batch) this.#digest(piece)
      yield batch
    }
  }

  verified(): VerifiedBody {
    const value = this.#sum?.digest().toString('base64')
    if (this.#readBytes !== this.sizeBytes || value === undefined) throw s3Error('InternalError')
    return {
      sizeBytes: this.sizeBytes,
      ...(this.#md5 && { md5: this.#md5.digest() }),
      checksum: { algorithm: this.#algorithm, value },
    }
  }

  #digest(piece: Uint8Array): void {
    this.#readBytes += piece.length
    this.#md5?.update(piece)
    this.#sum?.update(piece)
  }
}
