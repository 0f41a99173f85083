import { keepRecord } from '../../kept-records.ts'
import type { VersionPlace, VersionSelector } from '../../metadata-store.ts'
import type { BucketId, VersionBody, VersionRecord } from '../../records.ts'
import { bytesOutOfLine, decodeBlobs } from './body-row.ts'
import type { Databases } from './databases.ts'
import { headKey, idBytes, nameInHeadKey, objectKeyIn, objectName, olderVersionKey } from './keys.ts'
import { KnownRows, keyOfKnown } from './known-rows.ts'
import { checksumOf, damaged } from './row.ts'
import { copyOf, readRow } from './table.ts'
import { agrees, decodeCurrent, decodeVersion, isCurrentOf, type StoredVersion } from './version-row.ts'

/**
 * The newest version of an object, and the row it is in. It has a place of its own (keys.ts), so that commits and reads
 * of the current version are exact look-ups, and a version that is not the newest is known by its row's key.
 */
export interface PlacedVersion extends StoredVersion {
  readonly rowKey: Buffer
}

export function readHead(databases: Databases, name: Buffer, key: string): PlacedVersion | undefined {
  const rowKey = headKey(name)
  const row = readRow(databases.versions, rowKey)
  return row && { ...decodeVersion(row, key, name), rowKey }
}

function readOlder(databases: Databases, name: Buffer, key: string, versionId: string): PlacedVersion | undefined {
  const rowKey = olderVersionKey(name, versionId)
  const row = readRow(databases.versions, rowKey)
  if (!row) return undefined
  const stored = decodeVersion(row, key, name)
  if (stored.record.versionId !== versionId) throw damaged('version', 'under another version id')
  return { ...stored, rowKey }
}

/** The version that `which` selects, given the key's newest one. A null pointer may dangle: then there is none. */
export function selectVersion<Head extends StoredVersion>(
  databases: Databases,
  name: Buffer,
  head: Head,
  which: VersionSelector,
): Head | PlacedVersion | undefined {
  if (which === 'current') return head
  const versionId = which === 'null' ? head.nullVersionId : which.versionId
  if (versionId === '') return undefined
  const { key } = head.record
  const selected = versionId === head.record.versionId ? head : readOlder(databases, name, key, versionId)
  if (which === 'null' && selected && !selected.record.isNull) throw damaged('version', 'null pointer to another')
  return selected
}

/**
 * What the newest versions that a process has looked up may take, their opened attributes and object keys included: 13,000 of objects
 * with few headers and no tags.
 */
const KNOWN_HEADS_SIZE_BYTES_MAX = 40 * 1024 * 1024

interface KnownHead extends StoredVersion {
  /** That of the row of `current` that agreed with it. */
  agreedChecksum: number | undefined
}

/** Newest versions that this process has looked up: those that are kept are decoded once as long as they do not change. */
export class KnownHeads {
  readonly #heads = new KnownRows<KnownHead>({ sizeBytesMax: KNOWN_HEADS_SIZE_BYTES_MAX })

  /**
   * The newest version, checked against `current`: two trees would have to be damaged alike for an older version to be shown
   * as the current one, or for an object to vanish.
   */
  read(databases: Databases, bucketId: BucketId, key: string): StoredVersion | undefined {
    const known = this.#heads.find(
      databases.versions,
      bucketId + key,
      () => headKey(objectName(bucketId, key)),
      decodeHead,
    )
    const name = known ? nameInHeadKey(keyOfKnown(known)) : objectName(bucketId, key)
    const view = databases.current.getBinaryFast(name)
    if (!known && !view) return undefined
    if (!known) throw damaged('current', 'of a key without versions')
    const head = known.value
    if (!view) {
      if (!head.record.isDeleteMarker) throw damaged('current', 'missing')
      return head
    }
    const { agreedChecksum } = head
    if (agreedChecksum !== undefined && isCurrentOf(view, known.bytes, head.record, agreedChecksum)) return head
    const row = copyOf(view, 0, view.length)
    if (!agrees(decodeCurrent(row, key, name), head.record)) throw damaged('current', 'not the newest version')
    head.agreedChecksum = checksumOf(row)
    return head
  }
}

function decodeHead(row: Buffer, rowKey: Buffer, isKept: boolean): KnownHead {
  // Its own text of the key: that of whoever asks is a piece of a whole request line.
  const key = objectKeyIn(rowKey, rowKey.length - 1)
  const { record, nullVersionId, inlineSizeBytes, inlineTail } = decodeVersion(row, key, nameInHeadKey(rowKey))
  if (isKept) keepRecord(record)
  return { record, nullVersionId, inlineSizeBytes, inlineTail, agreedChecksum: undefined }
}

export function findVersion(
  databases: Databases,
  bucketId: BucketId,
  key: string,
  which: VersionSelector,
  { withBody, known = new KnownHeads() }: { readonly withBody: boolean; readonly known?: KnownHeads },
): { version: VersionRecord; isLatest: boolean; body?: VersionBody } | undefined {
  const head = known.read(databases, bucketId, key)
  const selected = which === 'current' ? head : head && selectVersion(databases, objectName(bucketId, key), head, which)
  if (!selected) return undefined
  const found = { version: selected.record, isLatest: selected === head }
  return withBody ? { ...found, body: readBody(databases, selected) } : found
}

export function findVersions(
  databases: Databases,
  places: readonly VersionPlace[],
): readonly (VersionRecord | undefined)[] {
  return places.map(({ bucketId, key, versionId }) => {
    return findVersion(databases, bucketId, key, { versionId }, { withBody: false })?.version
  })
}

export function readBody(databases: Databases, stored: StoredVersion): VersionBody {
  if (stored.record.bodyKind === 'none') return { kind: 'none' }
  if (stored.record.bodyKind === 'inline') return { kind: 'inline', bytes: readInlineBody(databases, stored) }
  const rowKey = idBytes(stored.record.versionId)
  const row = readRow(databases.bodies, rowKey)
  if (!row) throw damaged('body', 'missing')
  return decodeBlobs(row, rowKey)
}

function readInlineBody(databases: Databases, stored: StoredVersion): Uint8Array {
  const { inlineSizeBytes, inlineTail } = stored
  const outOfLine = inlineSizeBytes - inlineTail.length
  if (outOfLine === 0) return inlineTail
  if (outOfLine !== bytesOutOfLine(inlineSizeBytes)) throw damaged('version', 'body split elsewhere')
  // The view is valid until the next read: it is copied at once.
  const view = databases.bodies.getBinaryFast(idBytes(stored.record.versionId))
  if (!view) throw damaged('body', 'missing')
  if (view.length !== outOfLine) throw damaged('body', 'size')
  const bytes = Buffer.allocUnsafe(inlineSizeBytes)
  view.copy(bytes, 0, 0, outOfLine)
  bytes.set(inlineTail, outOfLine)
  return bytes
}
