import { STORAGE_CLASSES, type StorageClass } from '../storage-class.ts'
import { midnightAfter } from './due-times.ts'
import { asksForSize, isAbout, type LifecycleObject, type LifecycleRule } from './lifecycle-rules.ts'

/** S3 User Guide, "Transitioning objects using S3 Lifecycle": smaller ones stay, unless the rule's filter speaks of sizes. */
const SIZE_BYTES_MIN = 128 * 1024

/** A version that a rule may be about, and the class that it is of. */
export interface ClassedObject extends LifecycleObject {
  readonly storageClass: StorageClass
}

/** The class that a version is to be of now; undefined: it stays. Of several that are due the one furthest down. */
export function transitionDue(
  rules: readonly LifecycleRule[],
  object: ClassedObject,
  nowMs: number,
): StorageClass | undefined {
  return furthest(rules, object, ({ transitions = [] }) =>
    transitions.filter((transition) => {
      const at = 'days' in transition ? midnightAfter(object.lastModifiedAt, transition.days) : transition.dateAt
      return at <= nowMs
    }),
  )
}

/** The same of a noncurrent version. `newerNoncurrentCount`: noncurrent versions of its key that are newer than it. */
export function noncurrentTransitionDue(
  rules: readonly LifecycleRule[],
  version: ClassedObject,
  noncurrentSinceAt: number,
  newerNoncurrentCount: number,
  nowMs: number,
): StorageClass | undefined {
  return furthest(rules, version, ({ noncurrentVersionTransitions = [] }) =>
    noncurrentVersionTransitions.filter(
      ({ noncurrentDays, newerNoncurrentVersions = 0 }) =>
        newerNoncurrentCount >= newerNoncurrentVersions && midnightAfter(noncurrentSinceAt, noncurrentDays) <= nowMs,
    ),
  )
}

/** Down the waterfall of S3 only, and from One Zone no further among what can be read at once ("Supported transitions"). */
export function mayBecome(from: StorageClass, to: StorageClass): boolean {
  return depthOf(from) < depthOf(to) && from !== 'ONEZONE_IA'
}

export function depthOf(storageClass: StorageClass): number {
  return storageClass === 'REDUCED_REDUNDANCY' ? 0 : STORAGE_CLASSES.indexOf(storageClass)
}

function furthest(
  rules: readonly LifecycleRule[],
  object: ClassedObject,
  dueOf: (rule: LifecycleRule) => readonly { readonly storageClass: StorageClass }[],
): StorageClass | undefined {
  if (object.isDeleteMarker) return undefined
  let found: StorageClass | undefined
  for (const rule of rules) {
    if (!rule.isEnabled || !isAbout(rule, object)) continue
    if (object.sizeBytes < SIZE_BYTES_MIN && !asksForSize(rule)) continue
    for (const { storageClass } of dueOf(rule)) {
      if (!mayBecome(object.storageClass, storageClass)) continue
      if (found === undefined || depthOf(found) < depthOf(storageClass)) found = storageClass
    }
  }
  return found
}
