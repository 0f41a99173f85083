import { isCofferError } from '@coffer/errors'
import type { ListVersionsQuery, VersionPage } from '../../metadata-store.ts'
import type { ListedVersion, VersionId } from '../../records.ts'
import type { Databases } from './databases.ts'
import { headKey, objectName, olderVersionKey, versionIdIn } from './keys.ts'
import { type Page, readPage, resumeAfter } from './listing.ts'
import { type Row, readRow, scan } from './table.ts'
import { readHead } from './version-reads.ts'
import { decodeCurrent, decodeVersion } from './version-row.ts'

const UNKNOWN_VERSION_ID = '0'.repeat(32)
const EMPTY = Buffer.alloc(0)

/**
 * One damaged row never fails a page: the object is shown with what the other table knows of it, or with its name, size 0
 * and an empty summary. Reading the object itself fails with META_RECORD_DAMAGED.
 */
export function listCurrent(databases: Databases, query: ListVersionsQuery): VersionPage {
  const page = readPage(
    (start, prefix) => scan(databases.current, { start, prefix }),
    query,
    (row, key, name): ListedVersion => {
      try {
        return decodeCurrent(row.value, key, name)
      } catch (error) {
        if (!isCofferError(error, 'META_RECORD_DAMAGED')) throw error
        return listedFromHead(databases, key, name) ?? damagedEntry(key, UNKNOWN_VERSION_ID, true)
      }
    },
  )
  return toVersionPage(page, () => '')
}

export function listVersions(databases: Databases, query: ListVersionsQuery): VersionPage {
  const page = readPage(
    (start, prefix) => scan(databases.versions, { start, prefix }),
    query,
    (row, key, name) => listedVersion(databases, row, key, name),
    resumeRow(databases, query),
  )
  return toVersionPage(page, (entry) => entry.versionId)
}

function listedVersion(databases: Databases, row: Row, key: string, name: Buffer): ListedVersion {
  const isLatest = row.key.length === name.length + 1
  try {
    const { record } = decodeVersion(row.value, key, name)
    const { versionId, isNull, isDeleteMarker, lastModifiedAt, sizeBytes, summary } = record
    return { key, versionId, isNull, isDeleteMarker, isLatest, lastModifiedAt, sizeBytes, summary }
  } catch (error) {
    if (!isCofferError(error, 'META_RECORD_DAMAGED')) throw error
    if (!isLatest) return damagedEntry(key, versionIdIn(row.key), false)
    return listedFromCurrent(databases, key, name) ?? damagedEntry(key, UNKNOWN_VERSION_ID, true)
  }
}

/** The row to go on from within a key; undefined: after the whole key, or from the beginning. */
function resumeRow(databases: Databases, query: ListVersionsQuery): Buffer | undefined {
  const { bucketId, afterKey, afterVersionId } = query
  if (!afterVersionId || afterKey === '') return undefined
  const name = objectName(bucketId, afterKey)
  const newest = headIds(databases, name, afterKey)
  const versionId = afterVersionId === 'null' ? newest?.nullVersionId : afterVersionId
  // What was shown up to the null version is gone, and the null version with it: what is left of the key is older.
  if (!versionId) return headKey(name)
  const headIsOlder = newest !== undefined && newest.versionId < versionId
  return headIsOlder ? headKey(name) : resumeAfter(olderVersionKey(name, versionId))
}

function headIds(
  databases: Databases,
  name: Buffer,
  key: string,
): { versionId: VersionId; nullVersionId: VersionId | '' } | undefined {
  try {
    const head = readHead(databases, name, key)
    return head && { versionId: head.record.versionId, nullVersionId: head.nullVersionId }
  } catch (error) {
    if (!isCofferError(error, 'META_RECORD_DAMAGED')) throw error
    return undefined
  }
}

function listedFromHead(databases: Databases, key: string, name: Buffer): ListedVersion | undefined {
  const row = readRow(databases.versions, headKey(name))
  if (!row) return undefined
  try {
    const { versionId, isNull, lastModifiedAt, sizeBytes, summary } = decodeVersion(row, key, name).record
    return { key, versionId, isNull, isDeleteMarker: false, isLatest: true, lastModifiedAt, sizeBytes, summary }
  } catch (error) {
    if (!isCofferError(error, 'META_RECORD_DAMAGED')) throw error
    return undefined
  }
}

function listedFromCurrent(databases: Databases, key: string, name: Buffer): ListedVersion | undefined {
  const row = readRow(databases.current, name)
  return row && decodeCurrent(row, key, name)
}

function damagedEntry(key: string, versionId: VersionId, isLatest: boolean): ListedVersion {
  const lastModifiedAt = Number.parseInt(versionId.slice(0, 12), 16)
  return {
    key,
    versionId,
    isNull: false,
    isDeleteMarker: false,
    isLatest,
    lastModifiedAt,
    sizeBytes: 0,
    summary: EMPTY,
  }
}

function toVersionPage(page: Page<ListedVersion>, versionIdOf: (entry: ListedVersion) => VersionId | ''): VersionPage {
  const { entries, commonPrefixes, last } = page
  if (!last) return { entries, commonPrefixes }
  const next =
    'entry' in last
      ? { afterKey: last.entry.key, afterVersionId: versionIdOf(last.entry) }
      : { afterKey: last.commonPrefix, afterVersionId: '' as const }
  return { entries, commonPrefixes, next }
}
