import { invariant, isCofferError } from '@coffer/errors'
import { metadataError } from '../../errors.ts'
import type {
  BodyReplacement,
  CommittedVersion,
  KeyUseReplacement,
  ObjectKeyReplacement,
} from '../../metadata-store.ts'
import type { BlobId, VersionBody } from '../../records.ts'
import { addReference, dropReference, requireNewBlob } from './blobs.ts'
import { planKeyUse } from './key-use.ts'
import { idBytes, objectName } from './keys.ts'
import { appendEvents, assertEvents } from './outbox.ts'
import { planUploadReplacement } from './uploads.ts'
import { type PlacedVersion, readBody, readHead, selectVersion } from './version-reads.ts'
import { assertVersion, encodeVersion } from './version-row.ts'
import { putBody, putCurrent } from './version-writes.ts'
import type { WriteBatch } from './write-batch.ts'

/** Bytes that a replacement writes, for the limit of a batch. */
export function replacementSizeBytes({ sealed, body }: BodyReplacement): number {
  return sealed.length + (body.kind === 'inline' ? body.bytes.length : 0)
}

export function replaceObjectKey(batch: WriteBatch, replacement: ObjectKeyReplacement): void {
  planReplacement(batch, replacement).apply({})
}

/** All is read and checked before the first write, so that one which can't be made leaves the others alone. */
export function replaceObjectKeys(batch: WriteBatch, replacements: readonly KeyUseReplacement[]): readonly boolean[] {
  const places = new Set(replacements.map(({ bucketId, versionId }) => `${bucketId}/${versionId}`))
  invariant(places.size === replacements.length, 'an object key is replaced once in one write')
  const planned = replacements.map((replacement) => plannedOrMoot(batch, replacement))
  for (const plan of planned) plan?.apply({})
  return planned.map((plan) => plan !== undefined)
}

function plannedOrMoot(batch: WriteBatch, replacement: KeyUseReplacement) {
  if (replacement.isUpload) return planUploadReplacement(batch, replacement)
  try {
    return planReplacement(batch, replacement)
  } catch (error) {
    if (isCofferError(error, 'META_VERSION_CHANGED')) return undefined
    throw error
  }
}

export function replaceBody(batch: WriteBatch, { body, ...replacement }: BodyReplacement): CommittedVersion {
  const { target, apply } = planReplacement(batch, replacement)
  const { record, inlineSizeBytes, inlineTail } = target
  invariant(body.kind === record.bodyKind, 'a body is replaced by one of its kind')
  const before = readBody(batch.databases, target)
  // A blob that the version refers to already stays as it is.
  const referred = blobIdsOf(before)
  const added = body.kind === 'blobs' ? body.blobs.filter(({ blobId }) => !referred.has(blobId)) : []
  for (const { blobId } of added) requireNewBlob(batch, blobId)
  if (body.kind === 'inline' && inlineSizeBytes > inlineTail.length) {
    batch.remove(batch.databases.bodies, idBytes(record.versionId))
  }
  apply(putBody(batch, record.versionId, body))
  for (const blob of added) addReference(batch, blob)
  const kept = blobIdsOf(body)
  const garbage = [...referred].filter((blobId) => !kept.has(blobId))
  for (const blobId of garbage) dropReference(batch, blobId)
  return { garbage }
}

function blobIdsOf(body: VersionBody): ReadonlySet<BlobId> {
  return new Set(body.kind === 'blobs' ? body.blobs.map(({ blobId }) => blobId) : [])
}

/** Reads and checks all that a replacement depends on; `apply` then can't fail. */
function planReplacement(
  batch: WriteBatch,
  { bucketId, key, versionId, keyRef, sealed, summary, expectedSealed, events }: ObjectKeyReplacement,
): { target: PlacedVersion; apply(inline: Partial<PlacedVersion>): void } {
  assertEvents(events)
  const name = objectName(bucketId, key)
  const head = readHead(batch.databases, name, key)
  const target = head && selectVersion(batch.databases, name, head, { versionId })
  if (!target || Buffer.compare(target.record.sealed, expectedSealed) !== 0) {
    throw metadataError('META_VERSION_CHANGED', { versionId })
  }
  const record = { ...target.record, keyRef, sealed, ...(summary && { summary }) }
  assertVersion(record, { kind: 'none' })
  const before = planKeyUse(batch, target.record.keyRef, name, versionId)
  const after = planKeyUse(batch, keyRef, name, versionId)
  return {
    target,
    apply(inline) {
      const row = encodeVersion(batch.rows, { ...target, ...inline, record }, name)
      batch.put(batch.databases.versions, target.rowKey, row)
      if (summary && target === head) putCurrent(batch, name, record)
      before.remove()
      after.add()
      appendEvents(batch, events)
    },
  }
}
