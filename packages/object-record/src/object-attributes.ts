import type { StoredObjectKey } from '@coffer/contracts'
import { type DataAlgorithm, encodeFields, type MetadataKey } from '@coffer/crypto-core'
import { isKept, type VersionRecord } from '@coffer/metadata-store'
import type {
  ChecksumAlgorithm,
  ChecksumType,
  Grant,
  ObjectHeaders,
  ObjectLock,
  Owner,
  StorageClass,
} from '@coffer/s3-protocol'
import type { ReplicationState } from './replication.ts'

/** How the object key of a version is held. */
export type SseKind = 'SSE-S3' | 'SSE-C' | 'SSE-KMS' | 'DSSE-KMS'

/** What an SSE-KMS object says of its master key. */
export interface KmsAttributes {
  /** As the client wrote it: an id, `connector/key` or ARN; where it wrote an alias, the `connector/key` that this named. */
  readonly keyId: string
  readonly bucketKeyEnabled: boolean
  readonly encryptionContext?: Readonly<Record<string, string>>
}

export interface StoredChecksum {
  readonly algorithm: ChecksumAlgorithm
  readonly type: ChecksumType
  /** Base64, with `-N` for a composite one. */
  readonly value: string
}

/** Whose an object is in a bucket with access control lists. */
export interface ObjectAcl {
  readonly ownerAccountId: string
  readonly owner: Owner
  /** Absent: the owner's alone. */
  readonly grants?: readonly Grant[]
}

/** An object as another store had it. */
export interface AdoptedFrom {
  /** Without quotes, whatever it was made of there. */
  readonly etag: string
  /** Where versions were adopted. */
  readonly versionId?: string
}

/** What a version's sealed record says, beside the clear fields. */
export interface ObjectAttributes {
  /** 32 hex characters, without the `-N` of a multipart object. */
  readonly etagHex: string
  /** Parts of a multipart object; absent for an object put whole. */
  readonly partCount?: number
  readonly sse: SseKind
  /** With SSE-KMS and DSSE-KMS. */
  readonly kms?: KmsAttributes
  readonly algorithm: DataAlgorithm
  /** The version id that the object key is sealed for: that of the first attempt, or the upload id. */
  readonly keyContextId: string
  /** When the object key was made, milliseconds since 1970, where that was not with the version: it was encrypted anew. */
  readonly objectKeyAt?: number
  /** Base64 stream salt of an object stored whole: pins the very body that was written. */
  readonly streamSalt?: string
  readonly headers: ObjectHeaders
  readonly checksum?: StoredChecksum
  /** Only in buckets with Object Lock. */
  readonly lock?: ObjectLock
  /** Absent: it is the bucket owner's alone. */
  readonly acl?: ObjectAcl
  /** Absent: it is neither replicated nor a replica. */
  readonly replication?: ReplicationState
  /** The rename that gave it its name, where its client may ask for it again. */
  readonly renamed?: { readonly sourceKey: string; readonly clientToken: string }
  /** Absent: STANDARD. */
  readonly storageClass?: StorageClass
  /** What it was at the store that it was adopted from: by this it is known again. Absent: it came in another way. */
  readonly adopted?: AdoptedFrom
}

/** The clear fields that a version's seals are bound to. */
export type SealedVersionFields = Pick<
  VersionRecord,
  'key' | 'versionId' | 'isNull' | 'isDeleteMarker' | 'lastModifiedAt' | 'sizeBytes' | 'bodyKind' | 'keyRef'
>

export interface OpenedVersion {
  readonly attributes: ObjectAttributes
  readonly objectKey: StoredObjectKey
}

const RECORD_FORMAT = 1
const PREFIX_BYTES = 3

/**
 * A version's `sealed` field: format (1 byte), length of the sealed object key (u16 BE), the sealed object key, then the
 * attributes sealed under the bucket's metadata key. The object key stands outside the attributes so that a rotation can
 * replace it alone; it is bound to the object by its own context.
 */
export function sealAttributes(
  metadataKey: MetadataKey,
  bucketId: string,
  version: SealedVersionFields,
  attributes: ObjectAttributes | undefined,
  sealedObjectKey: Uint8Array,
): Uint8Array {
  const plain = Buffer.from(JSON.stringify(attributes ?? {}))
  const record = metadataKey.sealRecord(plain, versionFields('version', bucketId, version))
  const prefix = Buffer.allocUnsafe(PREFIX_BYTES)
  prefix.writeUInt8(RECORD_FORMAT, 0)
  prefix.writeUInt16BE(sealedObjectKey.length, 1)
  return Buffer.concat([prefix, sealedObjectKey, record])
}

/** By the very record in memory: a store that gives one again has found its row unchanged. Those that it keeps. */
const knownVersions = new WeakMap<
  VersionRecord,
  { readonly metadataKey: MetadataKey; readonly bucketId: string; readonly opened: OpenedVersion }
>()

/** CRYPTO_RECORD_DAMAGED. A record that the store keeps is opened once. */
export function openAttributes(metadataKey: MetadataKey, bucketId: string, version: VersionRecord): OpenedVersion {
  const known = knownVersions.get(version)
  if (known?.metadataKey === metadataKey && known.bucketId === bucketId) return known.opened
  const opened = openRecord(metadataKey, bucketId, version)
  if (opened.objectKey.isKept) knownVersions.set(version, { metadataKey, bucketId, opened })
  return opened
}

function openRecord(metadataKey: MetadataKey, bucketId: string, version: VersionRecord): OpenedVersion {
  const sealed = version.sealed
  const keyEnd = PREFIX_BYTES + ((sealed[1] ?? 0) << 8) + (sealed[2] ?? 0)
  const formatKnown = sealed[0] === RECORD_FORMAT && keyEnd <= sealed.length
  // A record of no known format goes through the same door as a damaged one: it fails to open, with the same code.
  const record = formatKnown ? sealed.subarray(keyEnd) : new Uint8Array(0)
  const plain = metadataKey.openRecord(record, versionFields('version', bucketId, version))
  const attributes = JSON.parse(plain.toString()) as ObjectAttributes
  const objectKey = { keyRef: version.keyRef, sealed: sealed.subarray(PREFIX_BYTES, keyEnd) }
  if (!isKept(version)) return { attributes, objectKey }
  shareTexts(attributes, version)
  return { attributes, objectKey: { keyRef: objectKey.keyRef, sealed: objectKey.sealed, isKept: true } }
}

/** Of the names of algorithms, and of types of checksums. */
const sharedTexts = new Map<string, string>()
const SHARED_TEXTS_MAX = 100

/** Texts that most objects have are in memory once, not once for each record that is kept. */
function shareTexts(attributes: Writable<ObjectAttributes>, { versionId }: VersionRecord): void {
  attributes.algorithm = shared(attributes.algorithm)
  if (attributes.keyContextId === versionId) attributes.keyContextId = versionId
  const checksum: Writable<StoredChecksum> | undefined = attributes.checksum
  if (checksum !== undefined) checksum.type = shared(checksum.type)
}

type Writable<Type> = { -readonly [Name in keyof Type]: Type[Name] }

function shared<Text extends string>(text: Text): Text {
  const known = sharedTexts.get(text)
  if (known !== undefined) return known as Text
  if (sharedTexts.size < SHARED_TEXTS_MAX) sharedTexts.set(text, text)
  return text
}

export function versionFields(purpose: string, bucketId: string, version: SealedVersionFields): Uint8Array {
  return encodeFields(
    purpose,
    bucketId,
    version.key,
    version.versionId,
    version.isNull,
    version.isDeleteMarker,
    version.lastModifiedAt,
    version.sizeBytes,
    version.bodyKind,
    version.keyRef,
  )
}

/** The ETag header's value, quoted (RFC 9110, section 8.8.3). */
export function etagOf(attributes: Pick<ObjectAttributes, 'etagHex' | 'partCount'>): string {
  return attributes.partCount === undefined
    ? `"${attributes.etagHex}"`
    : `"${attributes.etagHex}-${attributes.partCount}"`
}
