import {
  BODY_BYTES_MAX,
  type Checksum,
  type ChecksumAlgorithm,
  createChecksum,
  createEtagHash,
  DEFAULT_CHECKSUM_ALGORITHM,
  type EtagHash,
  hasMd5,
  loadChecksum,
  NO_MD5,
  type ParsedRequest,
  parseChecksumAlgorithm,
  parseChecksumHeader,
  type SizeRange,
  s3Error,
  type VerifiedBody,
} from '@coffer/s3-protocol'
import type { Payload } from './payload.ts'

/** Read ahead, so that a small file is known to be one. */
const AHEAD_BYTES = 128 * 1024

interface FilePlan {
  readonly md5: boolean
  readonly headers: ParsedRequest['headers']
  readonly sizeRange?: SizeRange | undefined
}

/** The file of a form as a payload: its size is known at its end only, its digests are compared there. */
export async function openFormFile(file: AsyncIterator<Buffer, void>, plan: FilePlan): Promise<Payload> {
  const payload = new FormPayload(file, plan)
  await payload.readAhead()
  return payload
}

class FormPayload implements Payload {
  readonly #file: AsyncIterator<Buffer, void>
  readonly #range: SizeRange
  readonly #md5: EtagHash | undefined
  readonly #expectedMd5: string | undefined
  readonly #algorithm: ChecksumAlgorithm
  readonly #expectedChecksum: string | undefined
  #sum: Checksum | undefined
  readonly #ahead: Buffer[] = []
  #readBytes = 0
  #ended = false

  constructor(file: AsyncIterator<Buffer, void>, { md5, headers, sizeRange }: FilePlan) {
    this.#file = file
    const { sizeBytesMin = 0, sizeBytesMax = BODY_BYTES_MAX } = sizeRange ?? {}
    this.#range = { sizeBytesMin, sizeBytesMax: Math.min(sizeBytesMax, BODY_BYTES_MAX) }
    this.#expectedMd5 = headers['content-md5']
    if (this.#expectedMd5 !== undefined && !hasMd5()) throw s3Error('InvalidRequest', { message: NO_MD5 })
    this.#md5 = md5 || this.#expectedMd5 !== undefined ? createEtagHash() : undefined
    const given = parseChecksumHeader(headers)
    this.#algorithm = given?.algorithm ?? parseChecksumAlgorithm(headers) ?? DEFAULT_CHECKSUM_ALGORITHM
    this.#expectedChecksum = given?.value
  }

  get sizeBytes(): number | undefined {
    return this.#ended ? this.#readBytes : undefined
  }

  async readAhead(): Promise<void> {
    await loadChecksum(this.#algorithm)
    this.#sum = createChecksum(this.#algorithm)
    while (!this.#ended && this.#readBytes <= AHEAD_BYTES) {
      const piece = await this.#next()
      if (piece !== undefined) this.#ahead.push(piece)
    }
  }

  async whole(): Promise<{ bytes: Uint8Array; verified: VerifiedBody }> {
    const pieces: Uint8Array[] = []
    for await (const batch of this.pieces()) pieces.push(...batch)
    return { bytes: Buffer.concat(pieces), verified: this.verified() }
  }

  async *pieces(): AsyncGenerator<readonly Uint8Array[]> {
    if (this.#ahead.length > 0) yield this.#ahead
    for (;;) {
      const piece = this.#ended ? undefined : await this.#next()
      if (piece === undefined) return
      yield [piece]
    }
  }

  /** EntityTooSmall, BadDigest. */
  verified(): VerifiedBody {
    const { sizeBytesMin } = this.#range
    if (this.#readBytes < sizeBytesMin) {
      throw s3Error('EntityTooSmall', {
        details: { ProposedSize: String(this.#readBytes), MinSizeAllowed: String(sizeBytesMin) },
      })
    }
    const md5 = this.#md5?.digest()
    if (this.#expectedMd5 !== undefined && md5?.toString('base64') !== this.#expectedMd5) throw s3Error('BadDigest')
    const value = this.#sum?.digest().toString('base64') ?? ''
    if (this.#expectedChecksum !== undefined && value !== this.#expectedChecksum) throw s3Error('BadDigest')
    return {
      sizeBytes: this.#readBytes,
      ...(md5 && { md5 }),
      checksum: { algorithm: this.#algorithm, value },
    }
  }

  /** EntityTooLarge as soon as that is known. */
  async #next(): Promise<Buffer | undefined> {
    const { done, value } = await this.#file.next()
    if (done || value === undefined) {
      this.#ended = true
      return undefined
    }
    this.#readBytes += value.length
    const { sizeBytesMax } = this.#range
    if (this.#readBytes > sizeBytesMax) {
      throw s3Error('EntityTooLarge', {
        details: { ProposedSize: String(this.#readBytes), MaxSizeAllowed: String(sizeBytesMax) },
      })
    }
    this.#md5?.update(value)
    this.#sum?.update(value)
    return value
  }
}
