import { invariant } from '@coffer/errors'
import { metadataError } from '../../errors.ts'
import type { CommittedVersion, CommitVersion, MetadataStore, RemovedVersion } from '../../metadata-store.ts'
import type { BlobId, VersionBody, VersionId, VersionRecord } from '../../records.ts'
import { addReference, dropReference, requireNewBlob } from './blobs.ts'
import { bytesOutOfLine, encodeBlobs } from './body-row.ts'
import { planKeyUse } from './key-use.ts'
import { headKey, idBytes, justAfter, objectName, olderVersionKey } from './keys.ts'
import { appendEvents, assertEvents, eventBytes } from './outbox.ts'
import { requireRoom } from './quotas.ts'
import { scan } from './table.ts'
import { completeUpload, planCompletion } from './uploads.ts'
import { type PlacedVersion, readBody, readHead, selectVersion } from './version-reads.ts'
import { assertVersion, decodeVersion, encodeCurrent, encodeVersion, type StoredVersion } from './version-row.ts'
import type { UsageChange, WriteBatch } from './write-batch.ts'

const INLINE_BODY_BYTES_MAX = 4 * 1024 * 1024
const EMPTY = Buffer.alloc(0)

/** Bytes that a commit writes, for the limit of a batch. */
export function commitSizeBytes({ version, body, events }: CommitVersion): number {
  const bodyBytes = body.kind === 'inline' ? body.bytes.length : body.kind === 'blobs' ? body.blobs.length * 64 : 0
  return version.sealed.length + version.summary.length + bodyBytes + eventBytes(events)
}

/** One change of a batch: everything is read and checked before the first write. */
export function commitVersion(batch: WriteBatch, commit: CommitVersion): CommittedVersion {
  const { bucketId, version, body } = commit
  assertVersion(version, body)
  assertEvents(commit.events)
  const name = objectName(bucketId, version.key)
  batch.requireBucket(bucketId, commit.bucketRevision)
  const head = readHead(batch.databases, name, version.key)
  requireCurrent(head, commit.expectedCurrent)
  requireNewer(batch, head, version.versionId, body)
  const completion = commit.completesUpload && planCompletion(batch, bucketId, version.key, commit.completesUpload)
  const renamed = commit.renames && planRename(batch, commit, commit.renames)
  const replaced = version.isNull && head ? selectVersion(batch.databases, name, head, 'null') : undefined
  const appended = commit.appendsTo && requireAppendable(batch, commit, commit.appendsTo, replaced)
  const kept = completion?.blobIds ?? renamed?.blobIds ?? appended
  if (body.kind === 'blobs') requireBlobs(batch, body, kept)
  const replacement =
    replaced &&
    planRemoval(batch, name, replaced, { keepsBlobs: appended !== undefined, isOverwritten: replaced === head })
  if (!version.isDeleteMarker) {
    const { versionCount = 0, sizeBytes = 0 } = replaced ? usageOfVersion(replaced.record, -1) : {}
    const partSizeBytes = completion?.partSizeBytes ?? 0
    requireRoom(batch, bucketId, {
      versionCount: versionCount + 1 - (renamed ? 1 : 0),
      sizeBytes: sizeBytes + version.sizeBytes - partSizeBytes - (renamed?.sizeBytes ?? 0),
    })
  }
  const usage = batch.usage(bucketId)
  const keyUse = planKeyUse(batch, version.keyRef, name, version.versionId)

  const garbage: BlobId[] = []
  if (renamed) renamed.going.apply(usage)
  if (replacement) garbage.push(...replacement.apply(usage))
  if (head && head !== replaced) placeAsOlder(batch, name, head)
  if (body.kind === 'blobs') {
    for (const blob of body.blobs) if (!kept?.has(blob.blobId)) addReference(batch, blob)
  }
  if (completion) garbage.push(...completeUpload(batch, completion, body, usage))
  const nullVersionId = version.isNull ? version.versionId : (head?.nullVersionId ?? '')
  placeAsHead(batch, name, { ...version, bodyKind: body.kind }, nullVersionId, body)
  usage.add(usageOfVersion(version, 1))
  keyUse.add()
  appendEvents(batch, commit.events)
  return { garbage }
}

export function removeVersion(
  batch: WriteBatch,
  removal: Parameters<MetadataStore['removeVersion']>[0],
): RemovedVersion {
  const { databases } = batch
  assertEvents(removal.events)
  const name = objectName(removal.bucketId, removal.key)
  batch.requireBucket(removal.bucketId, removal.bucketRevision)
  const head = readHead(databases, name, removal.key)
  requireCurrent(head, removal.expectedCurrent)
  const target = head && selectVersion(databases, name, head, removal.which)
  if (!head || !target) return { garbage: [] }
  const { expectedSealed } = removal
  if (expectedSealed !== undefined && Buffer.compare(target.record.sealed, expectedSealed) !== 0) {
    throw metadataError('META_VERSION_CHANGED', { versionId: target.record.versionId })
  }
  const going = planGoing(batch, name, head, target)
  const garbage = going.apply(batch.usage(removal.bucketId))
  appendEvents(batch, removal.events)
  const { versionId, isNull, isDeleteMarker } = target.record
  return { garbage, removed: { versionId, isNull, isDeleteMarker } }
}

/** Reads what the removal of a version and the promotion of the next older need; `apply` then can't fail. */
function planGoing(
  batch: WriteBatch,
  name: Buffer,
  head: PlacedVersion,
  target: PlacedVersion,
  options: { readonly keepsBlobs: boolean } = { keepsBlobs: false },
): { apply(usage: ReturnType<WriteBatch['usage']>): BlobId[] } {
  const { versions } = batch.databases
  const planned = planRemoval(batch, name, target, options)
  const next = target === head ? readNextOlder(batch, name, head.record.key) : undefined
  return {
    apply(usage) {
      const garbage = planned.apply(usage)
      if (target !== head) return garbage
      if (next) {
        batch.remove(versions, next.rowKey)
        batch.put(versions, head.rowKey, encodeVersion(batch.rows, next, name))
      }
      putCurrent(batch, name, next?.record)
      return garbage
    },
  }
}

/** The version that a rename takes away: the same body, and the same size. META_VERSION_CHANGED. */
function planRename(
  batch: WriteBatch,
  { bucketId, version, body }: CommitVersion,
  { key, versionId, expectedSealed }: NonNullable<CommitVersion['renames']>,
) {
  invariant(key !== version.key, 'a rename changes the name')
  const { databases } = batch
  const name = objectName(bucketId, key)
  const head = readHead(databases, name, key)
  const target = head && selectVersion(databases, name, head, { versionId })
  if (!target || Buffer.compare(target.record.sealed, expectedSealed) !== 0) {
    throw metadataError('META_VERSION_CHANGED', { versionId })
  }
  const { sizeBytes, bodyKind } = target.record
  invariant(bodyKind === body.kind && sizeBytes === version.sizeBytes, 'a rename keeps the body')
  const before = bodyKind === 'blobs' ? readBody(databases, target) : undefined
  const blobIds = before?.kind === 'blobs' ? before.blobs.map(({ blobId }) => blobId) : []
  const named = body.kind === 'blobs' ? body.blobs.map(({ blobId }) => blobId) : []
  invariant(blobIds.join() === named.join(), 'a rename keeps the blobs')
  return { sizeBytes, blobIds: new Set(blobIds), going: planGoing(batch, name, head, target, { keepsBlobs: true }) }
}

/** The blobs of the version that is appended to, which are the first of the new one's. META_VERSION_CHANGED. */
function requireAppendable(
  batch: WriteBatch,
  { version, body }: CommitVersion,
  { versionId, expectedSealed }: NonNullable<CommitVersion['appendsTo']>,
  replaced: PlacedVersion | undefined,
): ReadonlySet<BlobId> {
  const isIt = replaced?.record.versionId === versionId
  if (!isIt || Buffer.compare(replaced.record.sealed, expectedSealed) !== 0) {
    throw metadataError('META_VERSION_CHANGED', { versionId })
  }
  invariant(version.isNull && body.kind === 'blobs', 'a null version is appended to, with blobs')
  const before = replaced.record.bodyKind === 'blobs' ? readBody(batch.databases, replaced) : undefined
  const blobIds = before?.kind === 'blobs' ? before.blobs.map(({ blobId }) => blobId) : []
  const first = body.blobs.slice(0, blobIds.length).map(({ blobId }) => blobId)
  invariant(first.join() === blobIds.join(), 'what is appended to stays as it is')
  return new Set(blobIds)
}

/** What a version adds to the counters, or takes away. */
function usageOfVersion(
  { isDeleteMarker, sizeBytes }: Pick<VersionRecord, 'isDeleteMarker' | 'sizeBytes'>,
  change: 1 | -1,
): UsageChange {
  return isDeleteMarker ? { deleteMarkerCount: change } : { versionCount: change, sizeBytes: change * sizeBytes }
}

function requireCurrent(head: StoredVersion | undefined, expected: VersionId | 'none' | undefined): void {
  if (expected === undefined) return
  const current = head && !head.record.isDeleteMarker ? head.record.versionId : 'none'
  if (current !== expected) throw metadataError('META_PRECONDITION_FAILED', { current })
}

/** A version id is newer than the key's newest one, and no body is kept under it (another key could have drawn it). */
function requireNewer(
  batch: WriteBatch,
  head: StoredVersion | undefined,
  versionId: VersionId,
  body: VersionBody,
): void {
  if (head && head.record.versionId >= versionId) {
    throw metadataError('META_VERSION_NOT_NEWEST', { newest: head.record.versionId })
  }
  const keepsBody = body.kind === 'blobs' || (body.kind === 'inline' && bytesOutOfLine(body.bytes.length) > 0)
  if (keepsBody && batch.databases.bodies.doesExist(idBytes(versionId))) {
    throw metadataError('META_VERSION_NOT_NEWEST', { newest: versionId })
  }
}

function requireBlobs(
  batch: WriteBatch,
  body: Extract<VersionBody, { kind: 'blobs' }>,
  kept: ReadonlySet<BlobId> | undefined,
): void {
  const seen = new Set<BlobId>()
  for (const { blobId } of body.blobs) {
    invariant(!seen.has(blobId), 'a body names a blob once')
    seen.add(blobId)
    if (!kept?.has(blobId)) requireNewBlob(batch, blobId)
  }
}

/**
 * Reads what removing a version needs; `apply` then removes it and returns the blobs that became garbage. `isOverwritten`: the same
 * change puts another version into its row.
 */
function planRemoval(
  batch: WriteBatch,
  name: Buffer,
  target: PlacedVersion,
  { keepsBlobs, isOverwritten = false }: { readonly keepsBlobs: boolean; readonly isOverwritten?: boolean },
): { apply(usage: ReturnType<WriteBatch['usage']>): BlobId[] } {
  const { record } = target
  const { databases } = batch
  const body: VersionBody = record.bodyKind === 'blobs' ? readBody(databases, target) : { kind: 'none' }
  const keyUse = planKeyUse(batch, record.keyRef, name, record.versionId)
  return {
    apply: (usage) => {
      if (!isOverwritten) batch.remove(databases.versions, target.rowKey)
      if (record.bodyKind === 'blobs' || target.inlineSizeBytes > target.inlineTail.length) {
        batch.remove(databases.bodies, idBytes(record.versionId))
      }
      usage.add(usageOfVersion(record, -1))
      keyUse.remove()
      if (body.kind !== 'blobs' || keepsBlobs) return []
      for (const { blobId } of body.blobs) dropReference(batch, blobId)
      return body.blobs.map(({ blobId }) => blobId)
    },
  }
}

function placeAsHead(
  batch: WriteBatch,
  name: Buffer,
  record: VersionRecord,
  nullVersionId: VersionId | '',
  body: VersionBody,
): void {
  const stored = { record, nullVersionId, ...putBody(batch, record.versionId, body) }
  batch.put(batch.databases.versions, headKey(name), encodeVersion(batch.rows, stored, name))
  putCurrent(batch, name, record)
}

/** Writes what of a body is kept out of the version's row; returns what is kept in it. */
export function putBody(
  batch: WriteBatch,
  versionId: VersionId,
  body: VersionBody,
): { inlineSizeBytes: number; inlineTail: Uint8Array } {
  const { bodies } = batch.databases
  const inline = body.kind === 'inline' ? body.bytes : EMPTY
  invariant(inline.length <= INLINE_BODY_BYTES_MAX, 'an inline body has at most 4 MiB')
  const outOfLine = bytesOutOfLine(inline.length)
  if (outOfLine > 0) batch.put(bodies, idBytes(versionId), inline.subarray(0, outOfLine))
  if (body.kind === 'blobs') {
    const rowKey = idBytes(versionId)
    batch.put(bodies, rowKey, encodeBlobs(batch.rows, body, rowKey))
  }
  return { inlineSizeBytes: inline.length, inlineTail: inline.subarray(outOfLine) }
}

function placeAsOlder(batch: WriteBatch, name: Buffer, head: PlacedVersion): void {
  const rowKey = olderVersionKey(name, head.record.versionId)
  batch.put(batch.databases.versions, rowKey, encodeVersion(batch.rows, head, name))
}

/** `current` has a row for a key whose newest version is not a delete marker. */
export function putCurrent(batch: WriteBatch, name: Buffer, newest: VersionRecord | undefined): void {
  const { current } = batch.databases
  if (newest && !newest.isDeleteMarker) batch.put(current, name, encodeCurrent(batch.rows, newest, name))
  else batch.remove(current, name)
}

/** The version that becomes the newest when the head goes. */
function readNextOlder(batch: WriteBatch, name: Buffer, key: string): PlacedVersion | undefined {
  const prefix = headKey(name)
  for (const { key: rowKey, value } of scan(batch.databases.versions, { prefix, start: justAfter(prefix), limit: 1 })) {
    return { ...decodeVersion(value, key, name), rowKey }
  }
  return undefined
}
