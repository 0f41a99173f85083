import {
  AbortMultipartUploadCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  type S3Client,
} from '@aws-sdk/client-s3'
import type { BlobId, BlobSource, OpenBlob, OwnedBlobStore } from '../blob-store.ts'
import { blobError } from '../errors.ts'
import { type S3Location, s3ClientFor } from './s3/client.ts'
import { Deletions } from './s3/deletions.ts'
import { listObjects, listUploads } from './s3/listing.ts'
import { blobIdOf, ObjectNames } from './s3/object-names.ts'
import { OpenObject } from './s3/open-object.ts'
import { claimOwner, readOwner } from './s3/owner.ts'
import { asBlobError, isNoSuchUpload, isNotFound } from './s3/s3-errors.ts'
import { Upload, uploadFrom } from './s3/upload.ts'

export type { S3AccessKey, S3Location } from './s3/client.ts'

export interface S3BlobStoreOptions extends S3Location {
  /** How long the bytes of a deleted blob stay for those who opened it before. */
  readonly deleteDelayMs: number
}

/**
 * Blobs as objects of a bucket at any S3 endpoint. Needs read-after-write and list-after-write consistency, conditional writes
 * (`If-None-Match: *`) and listings in order, as AWS, Ceph, MinIO and Coffer have them. Asks nothing of the endpoint yet.
 *
 * @example openS3BlobStore({ region: 'eu-central-1', bucket: 'b', prefix: '', forcePathStyle: false, deleteDelayMs: 3_600_000 })
 */
export function openS3BlobStore(options: S3BlobStoreOptions): OwnedBlobStore {
  return new S3BlobStore(options)
}

class S3BlobStore implements OwnedBlobStore {
  readonly #client: S3Client
  readonly #bucket: string
  readonly #names: ObjectNames
  readonly #deletions: Deletions
  /** Of this process: what no request has told the provider of yet is listed all the same. */
  readonly #writing = new Map<BlobId, Upload>()

  constructor(options: S3BlobStoreOptions) {
    this.#client = s3ClientFor(options)
    this.#bucket = options.bucket
    this.#names = new ObjectNames(options.prefix)
    this.#deletions = new Deletions(this.#client, this.#bucket, this.#names, options.deleteDelayMs)
  }

  async write(blobId: BlobId, source: BlobSource): Promise<number> {
    const key = this.#names.blob(blobId)
    if (this.#writing.has(blobId)) throw blobError('BLOB_EXISTS', { blobId })
    const upload = new Upload({ client: this.#client, bucket: this.#bucket, key, blobId })
    this.#writing.set(blobId, upload)
    try {
      return await uploadFrom(source, upload, (error) => unavailableIfMissing(error, blobId))
    } finally {
      this.#writing.delete(blobId)
    }
  }

  async open(blobId: BlobId): Promise<OpenBlob> {
    const key = this.#names.blob(blobId)
    // Both at once; whoever deletes makes the mark first.
    const [found, mark] = await Promise.all([this.#find(key), this.#find(this.#names.deletion(blobId))]).catch(
      (error: unknown) => {
        throw asBlobError(error, blobId)
      },
    )
    if (found === undefined) await this.#assertBucket()
    if (found === undefined || mark !== undefined) throw blobError('BLOB_NOT_FOUND', { blobId })
    const { ContentLength: sizeBytes = 0, ETag: etag } = found
    return new OpenObject({ client: this.#client, bucket: this.#bucket, key, blobId, sizeBytes, etag })
  }

  async delete(blobId: BlobId): Promise<void> {
    const key = this.#names.blob(blobId)
    try {
      if ((await this.#find(key)) !== undefined) await this.#deletions.mark(blobId)
      else await this.#abortUploads(key)
    } catch (error) {
      throw unavailableIfMissing(error, blobId)
    }
  }

  async *list(): AsyncGenerator<{ blobId: BlobId; sizeBytes: number }> {
    try {
      const writing = new Map([...this.#writing].map(([blobId, { sizeBytes }]) => [blobId, sizeBytes]))
      for (const [blobId, sizeBytes] of writing) yield { blobId, sizeBytes }
      for await (const listed of this.#listWhole()) if (!writing.has(listed.blobId)) yield listed
      for await (const listed of this.#listUnfinished()) if (!writing.has(listed.blobId)) yield listed
    } catch (error) {
      throw unavailableIfMissing(error)
    }
  }

  async close(): Promise<void> {
    await this.#deletions.close()
    this.#client.destroy()
  }

  async readOwner(): Promise<string | undefined> {
    return await readOwner(this.#client, this.#bucket, this.#names.owner).catch((error: unknown) => {
      throw unavailableIfMissing(error)
    })
  }

  async claim(owner: string): Promise<string> {
    return await claimOwner(this.#client, this.#bucket, this.#names.owner, owner).catch((error: unknown) => {
      throw unavailableIfMissing(error)
    })
  }

  async #find(key: string): Promise<HeadObjectCommandOutput | undefined> {
    return await this.#client
      .send(new HeadObjectCommand({ Bucket: this.#bucket, Key: key }))
      .catch((error: unknown) => {
        if (!isNotFound(error)) throw error
        return undefined
      })
  }

  /** HEAD has no body that could tell a missing object from a missing bucket: then nothing is known of the blobs. */
  async #assertBucket(): Promise<void> {
    await this.#client.send(new HeadBucketCommand({ Bucket: this.#bucket })).catch((error: unknown) => {
      throw unavailableIfMissing(error)
    })
  }

  /** Both lists are in the same order: marks are met as the blobs are that they belong to, without remembering any. */
  async *#listWhole(): AsyncGenerator<{ blobId: BlobId; sizeBytes: number }> {
    const marks = listObjects(this.#client, this.#bucket, this.#names.deleted)
    let mark = await nextOf(marks)
    for await (const { key, sizeBytes } of listObjects(this.#client, this.#bucket, this.#names.blobs)) {
      const place = key.slice(this.#names.blobs.length)
      while (mark !== undefined && placeOf(mark.key, this.#names) < place) {
        await this.#takeOver(mark)
        mark = await nextOf(marks)
      }
      const blobId = blobIdOf(key, this.#names.blobs)
      const isMarked = mark !== undefined && placeOf(mark.key, this.#names) === place
      if (blobId !== undefined && !isMarked) yield { blobId, sizeBytes }
    }
    for (; mark !== undefined; mark = await nextOf(marks)) await this.#takeOver(mark)
  }

  async *#listUnfinished(): AsyncGenerator<{ blobId: BlobId; sizeBytes: number }> {
    for await (const { key } of listUploads(this.#client, this.#bucket, this.#names.blobs)) {
      const blobId = blobIdOf(key, this.#names.blobs)
      if (blobId !== undefined) yield { blobId, sizeBytes: 0 }
    }
  }

  async #takeOver({ key, modifiedAt }: { key: string; modifiedAt: number }): Promise<void> {
    const blobId = blobIdOf(key, this.#names.deleted)
    if (blobId !== undefined) await this.#deletions.found(blobId, modifiedAt)
  }

  async #abortUploads(key: string): Promise<void> {
    for await (const { key: found, uploadId } of listUploads(this.#client, this.#bucket, key)) {
      if (found !== key) continue
      const command = new AbortMultipartUploadCommand({ Bucket: this.#bucket, Key: key, UploadId: uploadId })
      await this.#client.send(command).catch((error: unknown) => {
        if (!isNoSuchUpload(error)) throw error
      })
    }
  }
}

function placeOf(markKey: string, names: ObjectNames): string {
  return markKey.slice(names.deleted.length)
}

async function nextOf<T>(items: AsyncGenerator<T>): Promise<T | undefined> {
  const { value, done } = await items.next()
  return done ? undefined : value
}

/** Where no single object is asked for, "not found" speaks of the bucket. */
function unavailableIfMissing(error: unknown, blobId?: BlobId): unknown {
  const meaning = asBlobError(error, blobId)
  return isNotFound(error) ? blobError('BLOB_UNAVAILABLE', { reason: 'NoSuchBucket' }, { cause: error }) : meaning
}
