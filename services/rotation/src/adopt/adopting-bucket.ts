import type { MetadataKey } from '@coffer/crypto-core'
import type { Mesh } from '@coffer/mesh'
import type { BucketRecord } from '@coffer/metadata-store'
import { type BucketRules, openBucketRecord } from '@coffer/object-record'
import { rotationError } from '../errors.ts'
import { MetadataKeys } from '../metadata-keys.ts'

/** The bucket that objects come into, as it was when it was last asked for. */
export interface OpenedBucket {
  readonly record: BucketRecord
  readonly config: BucketRules
  readonly metadataKey: MetadataKey
}

/** Keeps to the bucket that the job began with: one that was made again under its name is another one. */
export class AdoptingBucket {
  readonly #mesh: Mesh
  readonly #metadataKeys: MetadataKeys
  #bucket: OpenedBucket

  private constructor(mesh: Mesh, metadataKeys: MetadataKeys, bucket: OpenedBucket) {
    this.#mesh = mesh
    this.#metadataKeys = metadataKeys
    this.#bucket = bucket
  }

  /** ROTATION_BUCKET_NOT_FOUND. */
  static async open(mesh: Mesh, name: string): Promise<AdoptingBucket> {
    const metadataKeys = new MetadataKeys(mesh)
    return new AdoptingBucket(mesh, metadataKeys, await open(mesh, metadataKeys, name))
  }

  get current(): OpenedBucket {
    return this.#bucket
  }

  /** After a commit was refused as the bucket had changed. ROTATION_BUCKET_NOT_FOUND. */
  async refresh(): Promise<OpenedBucket> {
    const { name, id } = this.#bucket.record
    const bucket = await open(this.#mesh, this.#metadataKeys, name)
    if (bucket.record.id !== id) throw rotationError('ROTATION_BUCKET_NOT_FOUND', { bucket: name })
    this.#bucket = bucket
    return bucket
  }
}

async function open(mesh: Mesh, metadataKeys: MetadataKeys, name: string): Promise<OpenedBucket> {
  const record = await mesh.use('metadata').findBucket(name)
  if (record === undefined) throw rotationError('ROTATION_BUCKET_NOT_FOUND', { bucket: name })
  const metadataKey = await metadataKeys.of(record)
  return { record, metadataKey, config: openBucketRecord(metadataKey, record) }
}
