import type { MetadataService } from '@coffer/contracts'
import type { VersionRecord } from '@coffer/metadata-store'
import {
  deleteMarkerOver,
  isLocked,
  type ObjectAttributes,
  type OpenedVersion,
  objectEvents,
  openAttributes,
} from '@coffer/object-record'
import {
  expirationOf,
  type LifecycleObject,
  type LifecycleRule,
  loneMarkerExpirationOf,
  noncurrentExpirationOf,
  noncurrentTransitionDue,
  type ObjectEvent,
  type ObjectEventName,
  type StorageClass,
  transitionDue,
} from '@coffer/s3-protocol'
import type { DueVersion, Reason } from './plan-versions.ts'
import type { RuledBucket } from './ruled-buckets.ts'

type Removal = Exclude<Reason, { kind: 'transition' }>

/** `moot`: gone, changed, or not due after all by its own record. */
export type VersionOutcome = 'done' | 'locked' | 'moot'

export interface Work {
  readonly metadata: MetadataService
  readonly nowMs: number
  /** Changes nothing. */
  readonly isPreview: boolean
  /** Who moves what is due for another class, and does nothing else; absent: it is only counted. */
  readonly transition?: (found: FoundTransition) => Promise<void>
}

export interface FoundTransition extends OpenedVersion {
  readonly bucket: RuledBucket
  readonly version: VersionRecord
  readonly storageClass: StorageClass
}

/**
 * Does what a version is due for, if its authenticated record says so too and no lock holds it. The change names what was found: a
 * version that was locked, tagged or overwritten meanwhile stays. META_VERSION_CHANGED and its kin: for the next pass.
 */
export async function applyToVersion(bucket: RuledBucket, due: DueVersion, work: Work): Promise<VersionOutcome> {
  const { record, metadataKey, rules } = bucket
  const { key, versionId, reason } = due
  const found = await work.metadata.findVersion(record.id, key, { versionId }, { withBody: false })
  if (found === undefined) return 'moot'
  const { version, isLatest } = found
  const opened = openAttributes(metadataKey, record.id, version)
  const { attributes } = opened
  if (reason.kind === 'transition') {
    if (isLatest === (reason.noncurrent !== undefined)) return 'moot'
    const storageClass = classDue(rules, reason, version, attributes, work.nowMs)
    if (storageClass === undefined) return 'moot'
    await work.transition?.({ bucket, version, ...opened, storageClass })
    return 'done'
  }
  if (isLatest === (reason.kind === 'noncurrent')) return 'moot'
  if (!isDue(rules, reason, version, attributes, work.nowMs)) return 'moot'
  const hides = reason.kind === 'expired' && record.versioning === 'enabled'
  if (!hides && isLocked(attributes.lock, work.nowMs, { bypassGovernance: false })) return 'locked'
  if (!work.isPreview) await change(bucket, reason, version, work)
  return 'done'
}

async function change(bucket: RuledBucket, reason: Removal, version: VersionRecord, work: Work) {
  const { record, metadataKey, config } = bucket
  const { key, versionId, sealed } = version
  if (reason.kind === 'expired' && record.versioning !== 'unversioned') {
    const marker = deleteMarkerOver(metadataKey, record, version, work.nowMs)
    const events = objectEvents(bucket, config, () =>
      lifecycleEvent(bucket, 's3:LifecycleExpiration:DeleteMarkerCreated', marker.version),
    )
    await work.metadata.commitVersion({ ...marker, ...(events && { events }) })
    return
  }
  const events = objectEvents(bucket, config, () => lifecycleEvent(bucket, 's3:LifecycleExpiration:Delete', version))
  await work.metadata.removeVersion({
    bucketId: record.id,
    bucketRevision: record.revision,
    key,
    which: { versionId },
    expectedSealed: sealed,
    ...(reason.kind === 'expired' && { expectedCurrent: versionId }),
    ...(events && { events }),
  })
}

export function lifecycleEvent(
  { record, config }: RuledBucket,
  name: ObjectEventName,
  { key, versionId, isNull }: Pick<VersionRecord, 'key' | 'versionId' | 'isNull'>,
): ObjectEvent {
  return {
    at: Date.now(),
    name,
    region: config.region ?? '',
    bucket: { name: record.name, ownerId: record.ownerAccountId },
    object: { key, ...(record.versioning !== 'unversioned' && { versionId: isNull ? 'null' : versionId }) },
  }
}

/** Asks the rules again, with the class of the record, and with its tags. */
function classDue(
  rules: readonly LifecycleRule[],
  { noncurrent }: Extract<Reason, { kind: 'transition' }>,
  { key, sizeBytes, lastModifiedAt, isDeleteMarker }: VersionRecord,
  { headers, storageClass = 'STANDARD' }: Partial<ObjectAttributes>,
  nowMs: number,
): StorageClass | undefined {
  const tags = headers?.tags ?? {}
  const object = { key, sizeBytes, lastModifiedAt, isDeleteMarker, tags, storageClass }
  if (noncurrent === undefined) return transitionDue(rules, object, nowMs)
  return noncurrentTransitionDue(rules, object, noncurrent.sinceAt, noncurrent.newerNoncurrentCount, nowMs)
}

/** Asks the rules again, with the dates and sizes of the record, and with its tags. */
function isDue(
  rules: readonly LifecycleRule[],
  reason: Removal,
  { key, sizeBytes, lastModifiedAt, isDeleteMarker }: VersionRecord,
  { headers }: Partial<ObjectAttributes>,
  nowMs: number,
): boolean {
  const object: LifecycleObject = { key, sizeBytes, lastModifiedAt, isDeleteMarker, tags: headers?.tags ?? {} }
  const due =
    reason.kind === 'noncurrent'
      ? noncurrentExpirationOf(rules, object, reason.sinceAt, reason.newerNoncurrentCount)
      : reason.kind === 'expired'
        ? expirationOf(rules, object)
        : isDeleteMarker
          ? loneMarkerExpirationOf(rules, object)
          : undefined
  return due !== undefined && due.at <= nowMs
}
