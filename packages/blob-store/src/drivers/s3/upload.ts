import { randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import type { BlobId, BlobSource } from '../../blob-store.ts'
import { blobError } from '../../errors.ts'
import { partSizeBytes } from './part-sizes.ts'
import { isNoSuchUpload, isNotFound, isRefusedPrecondition } from './s3-errors.ts'

/** Parts on their way while the next one fills: three parts of memory for an upload, whatever its size. */
const PARTS_UNDERWAY_MAX = 2
/** The name of the metadata that says which write an object is of. */
const TOKEN = 'w'
const TOKEN_BYTES = 12

export interface UploadTarget {
  readonly client: S3Client
  readonly bucket: string
  readonly key: string
  readonly blobId: BlobId
}

/** One write: small blobs in one request, larger ones part by part. */
export class Upload {
  readonly #target: UploadTarget
  /** Tells a write of ours whose reply was lost from one of somebody else. */
  readonly #token = randomBytes(TOKEN_BYTES).toString('hex')
  readonly #underway: Promise<CompletedPart>[] = []
  readonly #parts: Promise<CompletedPart>[] = []
  #uploadId: string | undefined
  #mayBeThere = false
  #pieces: Uint8Array[] = []
  #filledBytes = 0
  sizeBytes = 0

  constructor(target: UploadTarget) {
    this.#target = target
  }

  /** Undefined: go on at once. */
  write(piece: Uint8Array): Promise<void> | undefined {
    this.sizeBytes += piece.length
    if (this.#filledBytes + piece.length < this.#partBytes()) {
      this.#take(piece)
      return undefined
    }
    return this.#writeAcross(piece)
  }

  async end(): Promise<void> {
    if (this.#uploadId === undefined) return await this.#putWhole(this.#takeOut())
    if (this.#filledBytes > 0) await this.#sendPart()
    const parts = await Promise.all(this.#parts)
    await this.#onlyOnce(() =>
      this.#target.client.send(
        new CompleteMultipartUploadCommand({
          ...this.#place(),
          UploadId: this.#uploadId,
          IfNoneMatch: '*',
          MultipartUpload: { Parts: parts },
        }),
      ),
    )
  }

  /** What was sent is removed, as far as the provider still lets us. */
  async abort(): Promise<void> {
    await Promise.allSettled(this.#parts)
    if (this.#mayBeThere) await this.#removeOurs().catch(() => undefined)
    if (this.#uploadId === undefined) return
    const command = new AbortMultipartUploadCommand({ ...this.#place(), UploadId: this.#uploadId })
    await this.#target.client.send(command).catch(() => undefined)
  }

  async #writeAcross(piece: Uint8Array): Promise<void> {
    let taken = 0
    while (taken < piece.length) {
      const count = Math.min(piece.length - taken, this.#partBytes() - this.#filledBytes)
      this.#take(piece.subarray(taken, taken + count))
      taken += count
      if (this.#filledBytes === this.#partBytes()) await this.#sendPart()
    }
  }

  #take(piece: Uint8Array): void {
    this.#pieces.push(piece)
    this.#filledBytes += piece.length
  }

  #takeOut(): Buffer {
    const bytes = Buffer.concat(this.#pieces, this.#filledBytes)
    this.#pieces = []
    this.#filledBytes = 0
    return bytes
  }

  #partBytes(): number {
    const bytes = partSizeBytes(this.#parts.length + 1)
    if (bytes === undefined) throw blobError('BLOB_IO_FAILED', { reason: 'too large for one object' })
    return bytes
  }

  async #sendPart(): Promise<void> {
    const number = this.#parts.length + 1
    const bytes = this.#takeOut()
    this.#uploadId ??= await this.#begin()
    const sent = this.#uploadPart(number, bytes)
    // It is awaited later; until then a failure is not an unhandled one.
    sent.catch(() => undefined)
    this.#parts.push(sent)
    this.#underway.push(sent)
    if (this.#underway.length >= PARTS_UNDERWAY_MAX) await this.#underway.shift()
  }

  async #begin(): Promise<string> {
    const { UploadId } = await this.#target.client.send(
      new CreateMultipartUploadCommand({
        ...this.#place(),
        ChecksumAlgorithm: 'CRC32',
        Metadata: { [TOKEN]: this.#token },
      }),
    )
    if (UploadId === undefined) throw blobError('BLOB_IO_FAILED', { reason: 'an upload without an id' })
    return UploadId
  }

  async #uploadPart(number: number, bytes: Buffer): Promise<CompletedPart> {
    const checksum = checksumOf(bytes)
    const { ETag } = await this.#target.client.send(
      new UploadPartCommand({
        ...this.#place(),
        UploadId: this.#uploadId,
        PartNumber: number,
        Body: bytes,
        ContentLength: bytes.length,
        ChecksumCRC32: checksum,
      }),
    )
    return { PartNumber: number, ETag, ChecksumCRC32: checksum }
  }

  async #putWhole(bytes: Buffer): Promise<void> {
    await this.#onlyOnce(() =>
      this.#target.client.send(
        new PutObjectCommand({
          ...this.#place(),
          Body: bytes,
          ContentLength: bytes.length,
          ChecksumCRC32: checksumOf(bytes),
          IfNoneMatch: '*',
          Metadata: { [TOKEN]: this.#token },
        }),
      ),
    )
  }

  /** BLOB_EXISTS unless what exists is ours: then only the reply of an earlier attempt was lost. */
  async #onlyOnce(send: () => Promise<unknown>): Promise<void> {
    this.#mayBeThere = true
    try {
      await send()
    } catch (error) {
      if (!isRefusedPrecondition(error) && !isNoSuchUpload(error)) throw error
      if (!(await this.#isOurs())) {
        this.#mayBeThere = false
        throw isNoSuchUpload(error)
          ? error
          : blobError('BLOB_EXISTS', { blobId: this.#target.blobId }, { cause: error })
      }
    }
  }

  /** A write that failed without an answer may have succeeded. */
  async #removeOurs(): Promise<void> {
    if (await this.#isOurs()) await this.#target.client.send(new DeleteObjectCommand(this.#place()))
  }

  async #isOurs(): Promise<boolean> {
    const found = await this.#target.client.send(new HeadObjectCommand(this.#place())).catch((error: unknown) => {
      if (!isNotFound(error)) throw error
    })
    return found?.Metadata?.[TOKEN] === this.#token && found.ContentLength === this.sizeBytes
  }

  #place(): { Bucket: string; Key: string } {
    return { Bucket: this.#target.bucket, Key: this.#target.key }
  }
}

/** Of S3's checksum header: CRC-32 in base64, big-endian. */
function checksumOf(bytes: Uint8Array): string {
  const checksum = Buffer.alloc(4)
  checksum.writeUInt32BE(crc32(bytes))
  return checksum.toString('base64')
}

/** Feeds a source to an upload. What the source throws comes out as it is. */
export async function uploadFrom(
  source: BlobSource,
  upload: Upload,
  asError: (error: unknown) => unknown,
): Promise<number> {
  let isSourceTurn = true
  try {
    for await (const piece of source) {
      isSourceTurn = false
      const taken = upload.write(piece)
      if (taken !== undefined) await taken
      isSourceTurn = true
    }
    isSourceTurn = false
    await upload.end()
    return upload.sizeBytes
  } catch (error) {
    await upload.abort()
    throw isSourceTurn ? error : asError(error)
  }
}
