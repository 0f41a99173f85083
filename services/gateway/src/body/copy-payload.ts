import {
  type ChecksumAlgorithm,
  createChecksum,
  createEtagHash,
  type EtagHash,
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
  readonly #checksum:
    | { readonly algorithm: ChecksumAlgorithm; readonly sum: ReturnType<typeof createChecksum> }
    | undefined
  #readBytes = 0

  constructor(
    source: Pick<Reply, 'body' | 'stream'>,
    options: { sizeBytes: number; md5: boolean; checksumAlgorithm?: ChecksumAlgorithm | undefined },
  ) {
    this.#source = source
    this.sizeBytes = options.sizeBytes
    this.#md5 = options.md5 ? createEtagHash() : undefined
    const algorithm = options.checksumAlgorithm
    this.#checksum = algorithm && { algorithm, sum: createChecksum(algorithm) }
  }

  async whole(): Promise<{ bytes: Uint8Array; verified: VerifiedBody }> {
    const pieces: Uint8Array[] = []
    for await (const batch of this.pieces()) pieces.push(...batch)
    return { bytes: Buffer.concat(pieces), verified: this.verified() }
  }

  async *pieces(): AsyncGenerator<readonly Uint8Array[]> {
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
    if (this.#readBytes !== this.sizeBytes) throw s3Error('InternalError')
    return {
      sizeBytes: this.sizeBytes,
      ...(this.#md5 && { md5: this.#md5.digest() }),
      ...(this.#checksum && {
        checksum: {
          algorithm: this.#checksum.algorithm,
          value: this.#checksum.sum.digest().toString('base64'),
        },
      }),
    }
  }

  #digest(piece: Uint8Array): void {
    this.#readBytes += piece.length
    this.#md5?.update(piece)
    this.#checksum?.sum.update(piece)
  }
}
