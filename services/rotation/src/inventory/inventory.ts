import type { KeyOwner } from '@coffer/contracts'
import { type CofferError, isCofferError } from '@coffer/errors'
import { keyNameOf, parseBucketKeyRef, parseDirectKeyRef, type WrappingKey } from '@coffer/kms'
import type { Mesh } from '@coffer/mesh'
import type { BucketRecord, ListedVersion, VersionPage } from '@coffer/metadata-store'
import { etagOf, type ObjectAttributes, openAttributes, replicationStatusOf } from '@coffer/object-record'
import { bucketsIn } from '../jobs/versions-in-scope.ts'
import { MetadataKeys } from '../metadata-keys.ts'

const PAGE = 1_000
/** Records that are asked for at once; over NATS each is a message there and back. */
const LOOKS_AT_ONCE = 32
/** A service that is there is heard within a second. */
const SERVICES_TIMEOUT_MS = 10_000

export interface InventoryScope {
  /** Absent: all buckets. */
  readonly bucket?: string | undefined
  readonly prefix?: string | undefined
  /** All versions, delete markers among them; else the current objects. */
  readonly versions?: boolean | undefined
}

/** What S3 Inventory tells of a version (S3 User Guide, "Amazon S3 Inventory list"), and under which key it is. */
export interface InventoryItem {
  readonly bucket: string
  readonly key: string
  /** As clients name it: `null` for one of before versioning. */
  readonly versionId: string
  readonly isLatest: boolean
  readonly isDeleteMarker: boolean
  /** ISO 8601. */
  readonly lastModified: string
  readonly sizeBytes: number
  /** Without quotes. */
  readonly etag?: string
  readonly isMultipart?: boolean
  readonly storageClass?: string
  readonly encryption?: ObjectAttributes['sse']
  readonly algorithm?: string
  /** `connector/key`, and its version. Absent: the client has the key (SSE-C). */
  readonly masterKey?: string
  readonly masterKeyVersion?: number
  /** The account that the master key belongs to; absent: the first. */
  readonly masterKeyAccountId?: string
  readonly bucketKeyEnabled?: boolean
  readonly checksumAlgorithm?: string
  readonly replicationStatus?: string
  readonly retentionMode?: string
  readonly retainUntil?: string
  readonly legalHold?: string
  /** The code of what is wrong with its record, which could not be opened. */
  readonly problem?: string
}

/**
 * What the store holds, in the order of its listings, record by record: each is authenticated. Memory: one page.
 * ROTATION_BUCKET_NOT_FOUND.
 */
export async function* inventoryOf(mesh: Mesh, scope: InventoryScope): AsyncGenerator<InventoryItem, void> {
  await mesh.waitFor(['metadata', 'crypto', 'iam', 'kms'], SERVICES_TIMEOUT_MS)
  const inventory = new Inventory(mesh)
  for await (const bucket of bucketsIn(mesh, scope)) yield* inventory.of(bucket, scope)
}

class Inventory {
  readonly #mesh: Mesh
  readonly #metadataKeys: MetadataKeys
  readonly #bucketKeys = new Map<string, Promise<WrappingKey>>()
  readonly #owners = new Map<string, Promise<KeyOwner>>()

  constructor(mesh: Mesh) {
    this.#mesh = mesh
    this.#metadataKeys = new MetadataKeys(mesh)
  }

  async *of(
    bucket: BucketRecord,
    { prefix = '', versions = false }: InventoryScope,
  ): AsyncGenerator<InventoryItem, void> {
    const metadata = this.#mesh.use('metadata')
    let from: NonNullable<VersionPage['next']> = { afterKey: '', afterVersionId: '' }
    for (;;) {
      const query = { bucketId: bucket.id, prefix, delimiter: '', ...from, limit: PAGE }
      const page = await (versions ? metadata.listVersions(query) : metadata.listCurrent(query))
      for (let at = 0; at < page.entries.length; at += LOOKS_AT_ONCE) {
        const listed = page.entries.slice(at, at + LOOKS_AT_ONCE)
        for (const item of await Promise.all(listed.map((one) => this.#item(bucket, one)))) if (item) yield item
      }
      if (page.next === undefined) return
      from = page.next
    }
  }

  /** Undefined: it is gone since it was listed. */
  async #item(bucket: BucketRecord, listed: ListedVersion): Promise<InventoryItem | undefined> {
    const { key, versionId, isNull, isLatest, isDeleteMarker, lastModifiedAt, sizeBytes } = listed
    const clear = {
      bucket: bucket.name,
      key,
      versionId: isNull ? 'null' : versionId,
      isLatest,
      isDeleteMarker,
      lastModified: new Date(lastModifiedAt).toISOString(),
      sizeBytes,
    }
    if (isDeleteMarker) return clear
    try {
      const found = await this.#mesh.use('metadata').findVersion(bucket.id, key, { versionId }, { withBody: false })
      if (found === undefined) return undefined
      const metadataKey = await this.#metadataKeys.of(bucket)
      const { attributes } = openAttributes(metadataKey, bucket.id, found.version)
      return { ...clear, ...told(attributes), ...(await this.#masterKeyOf(found.version.keyRef)) }
    } catch (error) {
      if (!isDamage(error)) throw error
      return { ...clear, problem: error.code }
    }
  }

  async #masterKeyOf(
    keyRef: string,
  ): Promise<Pick<InventoryItem, 'masterKey' | 'masterKeyVersion' | 'masterKeyAccountId'>> {
    const id = parseBucketKeyRef(keyRef)
    const wrappedBy = id === undefined ? parseDirectKeyRef(keyRef) : await this.#bucketKey(id)
    if (wrappedBy === undefined) return {}
    const masterKey = keyNameOf(wrappedBy)
    const { ownerAccountId } = await this.#ownerOf(masterKey)
    return {
      ...{ masterKey, masterKeyVersion: wrappedBy.keyVersion },
      ...(ownerAccountId !== undefined && { masterKeyAccountId: ownerAccountId }),
    }
  }

  /** From Coffer's own records: no KMS is asked, and one that is configured no longer tells nothing. */
  #ownerOf(masterKey: string): Promise<KeyOwner> {
    const found =
      this.#owners.get(masterKey) ??
      this.#mesh
        .use('kms')
        .findKeyPolicy(masterKey)
        .catch((error: unknown): KeyOwner => {
          if (isCofferError(error, 'KMS_CONNECTOR_NOT_FOUND')) return {}
          throw error
        })
    this.#owners.set(masterKey, found)
    return found
  }

  #bucketKey(id: string): Promise<WrappingKey> {
    const known = this.#bucketKeys.get(id) ?? this.#mesh.use('crypto').describeBucketKey(id)
    this.#bucketKeys.set(id, known)
    return known
  }
}

function told(attributes: ObjectAttributes): Partial<InventoryItem> {
  const { partCount, sse, algorithm, kms, checksum, lock, replication, storageClass = 'STANDARD' } = attributes
  const replicationStatus = replicationStatusOf(replication)
  return {
    etag: etagOf(attributes).slice(1, -1),
    isMultipart: partCount !== undefined,
    storageClass,
    encryption: sse,
    algorithm,
    ...(kms && { bucketKeyEnabled: kms.bucketKeyEnabled }),
    ...(checksum && { checksumAlgorithm: checksum.algorithm }),
    ...(replicationStatus && { replicationStatus }),
    ...(lock?.retention && {
      retentionMode: lock.retention.mode,
      retainUntil: new Date(lock.retention.retainUntilAt).toISOString(),
    }),
    ...(lock?.legalHold && { legalHold: lock.legalHold }),
  }
}

/** Of this record alone: the others can still be told of. */
function isDamage(error: unknown): error is CofferError {
  return isCofferError(error) && /DAMAGED|BUCKET_KEY_NOT_FOUND/.test(error.code)
}
