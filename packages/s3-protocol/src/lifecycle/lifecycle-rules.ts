import type { Tags } from '../object-tags.ts'
import type { StorageClass } from '../storage-class.ts'

/** Which objects a rule is about: those that all of this fits (S3 API, LifecycleRuleFilter). */
export interface LifecycleFilter {
  readonly prefix?: string
  readonly tags?: Tags
  readonly sizeBytesGreaterThan?: number
  readonly sizeBytesLessThan?: number
}

/** When the current version goes: so many days after its making, from a date on, or a delete marker that hides nothing. */
export type LifecycleExpiration =
  | { readonly days: number }
  | { readonly dateAt: number }
  | { readonly expiredObjectDeleteMarker: boolean }

/** When the current version becomes of another class: so many days after its making, or from a date on. */
export type LifecycleTransition = { readonly storageClass: StorageClass } & (
  | { readonly days: number }
  | { readonly dateAt: number }
)

export interface NoncurrentVersionTransition {
  readonly storageClass: StorageClass
  /** Since a newer version took its place. */
  readonly noncurrentDays: number
  /** As many noncurrent versions stay, the newest, whatever their age. */
  readonly newerNoncurrentVersions?: number
}

export interface LifecycleRule {
  /** At most 255 characters, unique in its configuration. */
  readonly id: string
  readonly isEnabled: boolean
  /** Absent: the rule has the `prefix` of the older form. */
  readonly filter?: LifecycleFilter
  /** The older form's own. */
  readonly prefix?: string
  readonly expiration?: LifecycleExpiration
  readonly noncurrentVersionExpiration?: {
    /** Since a newer version took its place. */
    readonly noncurrentDays: number
    /** As many noncurrent versions are kept, the newest, whatever their age. */
    readonly newerNoncurrentVersions?: number
  }
  readonly abortIncompleteMultipartUpload?: { readonly daysAfterInitiation: number }
  readonly transitions?: readonly LifecycleTransition[]
  readonly noncurrentVersionTransitions?: readonly NoncurrentVersionTransition[]
}

/**
 * S3 API, TransitionDefaultMinimumObjectSize. The two differ in classes alone that objects can't be read from at once: it is kept
 * for who asks for it.
 */
export const MINIMUM_OBJECT_SIZES = ['all_storage_classes_128K', 'varies_by_storage_class'] as const
export type MinimumObjectSize = (typeof MINIMUM_OBJECT_SIZES)[number]

/** What PutBucketLifecycleConfiguration sets. */
export interface LifecycleConfiguration {
  readonly rules: readonly LifecycleRule[]
  /** Absent: the first. */
  readonly minimumObjectSize?: MinimumObjectSize
}

/** What a rule can ask of a version; tags 'unknown': not looked up yet, taken for fitting. */
export interface LifecycleObject {
  readonly key: string
  readonly sizeBytes: number
  /** Milliseconds since 1970. */
  readonly lastModifiedAt: number
  readonly isDeleteMarker: boolean
  readonly tags: Tags | 'unknown'
}

export function filterOf({ filter, prefix }: LifecycleRule): LifecycleFilter {
  return filter ?? (prefix === undefined ? {} : { prefix })
}

/** Whether a rule says itself which sizes it is about. */
export function asksForSize(rule: LifecycleRule): boolean {
  const { sizeBytesGreaterThan, sizeBytesLessThan } = filterOf(rule)
  return sizeBytesGreaterThan !== undefined || sizeBytesLessThan !== undefined
}

/** Sizes and tags fit objects only: a delete marker has neither. */
export function isAbout(rule: LifecycleRule, object: LifecycleObject): boolean {
  const { prefix = '', tags, sizeBytesGreaterThan, sizeBytesLessThan } = filterOf(rule)
  if (!object.key.startsWith(prefix)) return false
  if (tags === undefined && sizeBytesGreaterThan === undefined && sizeBytesLessThan === undefined) return true
  if (object.isDeleteMarker) return false
  if (sizeBytesGreaterThan !== undefined && object.sizeBytes <= sizeBytesGreaterThan) return false
  if (sizeBytesLessThan !== undefined && object.sizeBytes >= sizeBytesLessThan) return false
  return hasAll(object.tags, tags ?? {})
}

function hasAll(tags: LifecycleObject['tags'], wanted: Tags): boolean {
  if (tags === 'unknown') return true
  return Object.entries(wanted).every(([key, value]) => Object.hasOwn(tags, key) && tags[key] === value)
}
