import { httpDate } from '../dates.ts'
import { filterOf, isAbout, type LifecycleObject, type LifecycleRule } from './lifecycle-rules.ts'

/** When a rule has something done, and which rule. Milliseconds since 1970. */
export interface DueTime {
  readonly at: number
  readonly ruleId: string
}

const DAY_MS = 86_400_000
/** ECMA-262, "Time Values and Time Range": what a Date can show. */
const DATE_MAX = 8.64e15

/** S3 User Guide, "Setting lifecycle configuration": so many days later, then the next midnight in UTC. */
export function midnightAfter(atMs: number, days: number): number {
  return Math.min(Math.ceil((atMs + days * DAY_MS) / DAY_MS) * DAY_MS, DATE_MAX)
}

/** When the current version of a key expires; undefined: never, or it is a delete marker. */
export function expirationOf(rules: readonly LifecycleRule[], object: LifecycleObject): DueTime | undefined {
  if (object.isDeleteMarker) return undefined
  return earliest(rules, (rule) => (isAbout(rule, object) ? ageLimit(rule, object.lastModifiedAt) : undefined))
}

/**
 * When a delete marker goes that is the only version of its key: at once by ExpiredObjectDeleteMarker, or when it is as old as
 * objects get (S3 API, LifecycleExpiration).
 */
export function loneMarkerExpirationOf(rules: readonly LifecycleRule[], marker: LifecycleObject): DueTime | undefined {
  return earliest(rules, (rule) => {
    if (!isAbout(rule, marker)) return undefined
    const { expiration } = rule
    const isAtOnce =
      expiration !== undefined && 'expiredObjectDeleteMarker' in expiration && expiration.expiredObjectDeleteMarker
    return isAtOnce ? marker.lastModifiedAt : ageLimit(rule, marker.lastModifiedAt)
  })
}

/** When a noncurrent version goes. `newerNoncurrentCount`: noncurrent versions of its key that are newer than it. */
export function noncurrentExpirationOf(
  rules: readonly LifecycleRule[],
  version: LifecycleObject,
  noncurrentSinceAt: number,
  newerNoncurrentCount: number,
): DueTime | undefined {
  return earliest(rules, (rule) => {
    const limits = rule.noncurrentVersionExpiration
    if (limits === undefined || !isAbout(rule, version)) return undefined
    if (newerNoncurrentCount < (limits.newerNoncurrentVersions ?? 0)) return undefined
    return midnightAfter(noncurrentSinceAt, limits.noncurrentDays)
  })
}

/** When an upload that is not completed is aborted. */
export function uploadAbortOf(
  rules: readonly LifecycleRule[],
  upload: { readonly key: string; readonly initiatedAt: number },
): DueTime | undefined {
  return earliest(rules, (rule) => {
    const limit = rule.abortIncompleteMultipartUpload
    if (limit === undefined || !upload.key.startsWith(filterOf(rule).prefix ?? '')) return undefined
    return midnightAfter(upload.initiatedAt, limit.daysAfterInitiation)
  })
}

/** x-amz-expiration (S3 API, GetObject). */
export function expirationHeader({ at, ruleId }: DueTime): string {
  return `expiry-date="${httpDate(at)}", rule-id="${encodeURIComponent(ruleId)}"`
}

function ageLimit({ expiration }: LifecycleRule, lastModifiedAt: number): number | undefined {
  if (expiration === undefined) return undefined
  if ('days' in expiration) return midnightAfter(lastModifiedAt, expiration.days)
  return 'dateAt' in expiration ? expiration.dateAt : undefined
}

function earliest(
  rules: readonly LifecycleRule[],
  dueAt: (rule: LifecycleRule) => number | undefined,
): DueTime | undefined {
  let first: DueTime | undefined
  for (const rule of rules) {
    const at = rule.isEnabled ? dueAt(rule) : undefined
    if (at !== undefined && (first === undefined || at < first.at)) first = { at, ruleId: rule.id }
  }
  return first
}
