import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { isCofferError } from '@coffer/errors'
import type { BlobId, OpenBlob } from '../../blob-store.ts'
import { blobError } from '../../errors.ts'
import { asBlobError, isRefusedPrecondition, statusOf } from './s3-errors.ts'

/** The SDK retries until a reply has begun; a body that is cut is asked for again from where it ended. */
const ATTEMPTS_MAX = 4
const PAUSE_MS = 100
const SILENCE_TIMEOUT_MS = 30_000
const RANGE_NOT_SATISFIABLE = 416

export interface StoredObject {
  readonly client: S3Client
  readonly bucket: string
  readonly key: string
  readonly blobId: BlobId
  readonly sizeBytes: number
  /** Every read asks for this one: bytes of another object are never mixed in. */
  readonly etag: string | undefined
}

/** A blob read by ranges. After a deletion it stays readable for as long as the store delays those. */
export class OpenObject implements OpenBlob {
  readonly sizeBytes: number
  readonly #object: StoredObject

  constructor(object: StoredObject) {
    this.#object = object
    this.sizeBytes = object.sizeBytes
  }

  async read(offsetBytes: number, lengthBytes: number, into?: Uint8Array): Promise<Uint8Array> {
    const buffer = into?.subarray(0, lengthBytes) ?? Buffer.allocUnsafeSlow(lengthBytes)
    if (offsetBytes + lengthBytes > this.sizeBytes) throw this.#truncated(offsetBytes, lengthBytes)
    let filledBytes = 0
    for (let attempt = 1; filledBytes < lengthBytes; attempt++) {
      const { addedBytes, error } = await this.#readSome(offsetBytes + filledBytes, buffer.subarray(filledBytes))
      filledBytes += addedBytes
      if (filledBytes === lengthBytes) break
      if (attempt === ATTEMPTS_MAX || isFinal(error)) throw error ?? this.#truncated(offsetBytes, lengthBytes)
      await sleep(PAUSE_MS * 2 ** attempt * Math.random())
    }
    return buffer
  }

  async close(): Promise<void> {}

  /** As much as one reply gives. No error: it ended early, as if there were no more. */
  async #readSome(fromBytes: number, into: Uint8Array): Promise<{ addedBytes: number; error?: unknown }> {
    const { client, bucket, key, blobId, etag } = this.#object
    let addedBytes = 0
    try {
      const range = `${fromBytes}-${fromBytes + into.length - 1}`
      const reply = await client.send(
        new GetObjectCommand({ Bucket: bucket, Key: key, Range: `bytes=${range}`, ...(etag && { IfMatch: etag }) }),
      )
      const body = reply.Body as Readable
      if (reply.ContentRange !== `bytes ${range}/${this.sizeBytes}`) {
        body.destroy()
        throw blobError('BLOB_IO_FAILED', { blobId, reason: 'another range than was asked for' })
      }
      for await (const piece of withSilenceTimeout(body)) {
        if (piece.length > into.length - addedBytes) {
          body.destroy()
          throw blobError('BLOB_IO_FAILED', { blobId, reason: 'more bytes than were asked for' })
        }
        into.set(piece, addedBytes)
        addedBytes += piece.length
      }
      return { addedBytes }
    } catch (error) {
      return { addedBytes, error: this.#meaningOf(error) }
    }
  }

  #meaningOf(error: unknown): unknown {
    const { blobId, sizeBytes } = this.#object
    if (statusOf(error) === RANGE_NOT_SATISFIABLE)
      return blobError('BLOB_TRUNCATED', { blobId, sizeBytes }, { cause: error })
    if (isRefusedPrecondition(error)) {
      return blobError('BLOB_IO_FAILED', { blobId, reason: 'the object was replaced' }, { cause: error })
    }
    return asBlobError(error, blobId)
  }

  #truncated(offsetBytes: number, lengthBytes: number): Error {
    return blobError('BLOB_TRUNCATED', { blobId: this.#object.blobId, offsetBytes, lengthBytes })
  }
}

/** The SDK's time-out ends with the reply's head. */
async function* withSilenceTimeout(body: Readable): AsyncGenerator<Uint8Array> {
  const timer = setTimeout(() => body.destroy(new Error('no bytes for too long')), SILENCE_TIMEOUT_MS)
  try {
    for await (const piece of body) {
      timer.refresh()
      yield piece as Uint8Array
    }
  } finally {
    clearTimeout(timer)
  }
}

function isFinal(error: unknown): boolean {
  return error !== undefined && !isCofferError(error, 'BLOB_UNAVAILABLE')
}
