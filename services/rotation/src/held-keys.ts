import type { StoredObjectKey } from '@coffer/contracts'
import type { MetadataKey, SealContext } from '@coffer/crypto-core'
import { type CofferError, isCofferError } from '@coffer/errors'
import type { Mesh } from '@coffer/mesh'
import type { KeyUseEntry, KeyUseReplacement, UploadRecord, VersionRecord } from '@coffer/metadata-store'
import {
  openAttributes,
  openUploadRecord,
  replaceObjectKey,
  sealContextOf,
  sealUploadRecord,
} from '@coffer/object-record'
import { allBuckets } from './key-holders.ts'
import { MetadataKeys } from './metadata-keys.ts'

/** The sealed object key of a version, or of an upload in progress, and how it is replaced. */
export interface HeldKey {
  readonly objectKey: StoredObjectKey
  readonly context: SealContext
  /** Compares with the record as it was found. */
  replacedBy(stored: StoredObjectKey): KeyUseReplacement
}

type Opened = HeldKey | CofferError | undefined

/** Finds the object keys that an index of key use names. */
export class HeldKeys {
  readonly #mesh: Mesh
  readonly #metadataKeys: MetadataKeys
  #wrappedKeys: Promise<Map<string, Uint8Array>> | undefined

  constructor(mesh: Mesh) {
    this.#mesh = mesh
    this.#metadataKeys = new MetadataKeys(mesh)
  }

  /** In their order; undefined for one that is gone, an error for one that does not open. */
  async find(entries: readonly KeyUseEntry[]): Promise<readonly Opened[]> {
    const metadata = this.#mesh.use('metadata')
    const versions = await metadata.findVersions(entries)
    const uploads = new Map<KeyUseEntry, UploadRecord | undefined>()
    for (const entry of entries) {
      if (!entry.isUpload) continue
      uploads.set(entry, await metadata.findUpload(entry.bucketId, entry.key, entry.versionId))
    }
    const metadataKeys = new Map<string, MetadataKey | undefined>()
    for (const { bucketId } of entries) {
      if (!metadataKeys.has(bucketId)) metadataKeys.set(bucketId, await this.#metadataKeyOf(bucketId))
    }
    return entries.map((entry, index) => {
      const metadataKey = metadataKeys.get(entry.bucketId)
      const record = entry.isUpload ? uploads.get(entry) : versions[index]
      if (metadataKey === undefined || record === undefined) return undefined
      try {
        if ('versionId' in record) return ofVersion(metadataKey, entry, record)
        return ofUpload(metadataKey, entry, record)
      } catch (error) {
        if (isCofferError(error)) return error
        throw error
      }
    })
  }

  async #metadataKeyOf(bucketId: string): Promise<MetadataKey | undefined> {
    this.#wrappedKeys ??= this.#findWrappedKeys()
    const wrappedMetadataKey = (await this.#wrappedKeys).get(bucketId)
    return wrappedMetadataKey && (await this.#metadataKeys.of({ id: bucketId, wrappedMetadataKey }))
  }

  async #findWrappedKeys(): Promise<Map<string, Uint8Array>> {
    const wrapped = new Map<string, Uint8Array>()
    for await (const bucket of allBuckets(this.#mesh)) wrapped.set(bucket.id, bucket.wrappedMetadataKey)
    return wrapped
  }
}

function ofVersion(metadataKey: MetadataKey, entry: KeyUseEntry, version: VersionRecord): HeldKey {
  const { bucketId, key } = entry
  const { attributes, objectKey } = openAttributes(metadataKey, bucketId, version)
  return {
    objectKey,
    context: sealContextOf(bucketId, key, attributes),
    replacedBy: (stored) => ({
      ...entry,
      expectedSealed: version.sealed,
      keyRef: stored.keyRef,
      sealed: replaceObjectKey(metadataKey, bucketId, version, attributes, stored),
    }),
  }
}

function ofUpload(metadataKey: MetadataKey, entry: KeyUseEntry, upload: UploadRecord): HeldKey {
  const { bucketId, key, versionId } = entry
  const { attributes, objectKey } = openUploadRecord(metadataKey, bucketId, upload)
  return {
    objectKey,
    context: sealContextOf(bucketId, key, { ...attributes, keyContextId: versionId }),
    replacedBy: (stored) => ({
      ...entry,
      expectedSealed: upload.sealed,
      keyRef: stored.keyRef,
      sealed: sealUploadRecord(metadataKey, bucketId, upload, attributes, stored),
    }),
  }
}
