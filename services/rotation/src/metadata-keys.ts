import { MetadataKey } from '@coffer/crypto-core'
import type { Mesh } from '@coffer/mesh'

/** Metadata keys of buckets, opened once each. */
export class MetadataKeys {
  readonly #mesh: Mesh
  readonly #opened = new Map<string, Promise<MetadataKey>>()

  constructor(mesh: Mesh) {
    this.#mesh = mesh
  }

  of({
    id,
    wrappedMetadataKey,
  }: {
    readonly id: string
    readonly wrappedMetadataKey: Uint8Array
  }): Promise<MetadataKey> {
    const known = this.#opened.get(id)
    if (known !== undefined) return known
    const opened = this.#open(id, wrappedMetadataKey)
    this.#opened.set(id, opened)
    // Asked for again where the KMS was away.
    opened.catch(() => this.#opened.delete(id))
    return opened
  }

  async #open(bucketId: string, wrapped: Uint8Array): Promise<MetadataKey> {
    const parcel = await this.#mesh.use('crypto').openMetadataKey(bucketId, wrapped, this.#mesh.recipient())
    return MetadataKey.take(this.#mesh.unparcel(parcel, 'metadata-key', bucketId))
  }
}
