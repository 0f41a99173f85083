import type { LifecycleKeyPlace } from '@coffer/contracts'
import type { ListedVersion, VersionId } from '@coffer/metadata-store'
import { listedStorageClass } from '@coffer/object-record'
import {
  expirationOf,
  type LifecycleObject,
  type LifecycleRule,
  loneMarkerExpirationOf,
  noncurrentExpirationOf,
  noncurrentTransitionDue,
  transitionDue,
} from '@coffer/s3-protocol'

/** What a version is due for, as far as its listing tells: its record is asked before anything is done. */
export type Reason =
  | { readonly kind: 'expired' }
  | { readonly kind: 'lone-marker' }
  | ({ readonly kind: 'noncurrent' } & Noncurrent)
  | { readonly kind: 'transition'; readonly noncurrent?: Noncurrent }

/** Since when a version has been noncurrent, and how many newer ones of its key are as well. */
export interface Noncurrent {
  readonly sinceAt: number
  readonly newerNoncurrentCount: number
}

export interface DueVersion {
  readonly key: string
  readonly versionId: VersionId
  readonly reason: Reason
}

export interface PlannedPage {
  readonly versionsSeen: number
  readonly due: readonly DueVersion[]
  /** Where to go on; absent: the page was the last. */
  readonly next?: { readonly afterKey: string; readonly inKey?: LifecycleKeyPlace }
}

/**
 * What is due on a page of a listing, newest version first within a key. Where more follows, the last key is left to the next page,
 * as its versions may go on there; a key that fills a whole page is gone on with in its middle.
 */
export function planVersions(
  rules: readonly LifecycleRule[],
  page: { readonly entries: readonly ListedVersion[]; readonly hasMore: boolean },
  place: { readonly afterKey: string; readonly inKey?: LifecycleKeyPlace },
  nowMs: number,
): PlannedPage {
  const keys = [...Map.groupBy(page.entries, ({ key }) => key)]
  const whole = page.hasMore && keys.length > 1 ? keys.slice(0, -1) : keys
  const due: DueVersion[] = []
  let versionsSeen = 0
  let inKey = place.inKey
  for (const [key, versions] of whole) {
    const walk = new KeyWalk(rules, inKey?.key === key ? inKey : undefined, nowMs)
    due.push(...versions.flatMap((version, index) => walk.visit(version, versions.length === 1 && index === 0)))
    versionsSeen += versions.length
    inKey = walk.place
  }
  const [lastKey] = whole.at(-1) ?? []
  if (!page.hasMore || lastKey === undefined) return { versionsSeen, due }
  if (whole.length < keys.length) return { versionsSeen, due, next: { afterKey: lastKey } }
  return { versionsSeen, due, next: { afterKey: place.afterKey, ...(inKey && { inKey }) } }
}

/** From the newest version of a key to its oldest. */
class KeyWalk {
  place: LifecycleKeyPlace | undefined
  readonly #rules: readonly LifecycleRule[]
  readonly #nowMs: number

  constructor(rules: readonly LifecycleRule[], place: LifecycleKeyPlace | undefined, nowMs: number) {
    this.#rules = rules
    this.place = place
    this.#nowMs = nowMs
  }

  visit(version: ListedVersion, isOnly: boolean): DueVersion[] {
    const reason =
      (version.isLatest ? this.#ofLatest(version, isOnly) : this.#ofNoncurrent(version)) ?? this.#moving(version)
    const isDamaged = isListedAsDamaged(version)
    this.place = {
      key: version.key,
      versionId: version.versionId,
      // The date of a damaged record is no date: nothing is removed by it.
      ...(!isDamaged && { noncurrentSinceAt: version.lastModifiedAt }),
      noncurrentCount: (this.place?.noncurrentCount ?? 0) + (version.isLatest || isDamaged ? 0 : 1),
    }
    return reason === undefined ? [] : [{ key: version.key, versionId: version.versionId, reason }]
  }

  #ofLatest(version: ListedVersion, isOnly: boolean): Reason | undefined {
    const object = asListed(version)
    if (!version.isDeleteMarker) return this.#isDue(expirationOf(this.#rules, object)) ? { kind: 'expired' } : undefined
    if (!isOnly) return undefined
    return this.#isDue(loneMarkerExpirationOf(this.#rules, object)) ? { kind: 'lone-marker' } : undefined
  }

  #ofNoncurrent(version: ListedVersion): Reason | undefined {
    const { noncurrentSinceAt: sinceAt, noncurrentCount: newerNoncurrentCount = 0 } = this.place ?? {}
    if (sinceAt === undefined) return undefined
    const due = noncurrentExpirationOf(this.#rules, asListed(version), sinceAt, newerNoncurrentCount)
    return this.#isDue(due) ? { kind: 'noncurrent', sinceAt, newerNoncurrentCount } : undefined
  }

  /** What is removed is not moved first. */
  #moving(version: ListedVersion): Reason | undefined {
    const object = { ...asListed(version), storageClass: listedStorageClass(version) ?? 'STANDARD' } as const
    if (version.isLatest) {
      return transitionDue(this.#rules, object, this.#nowMs) && { kind: 'transition' }
    }
    const { noncurrentSinceAt: sinceAt, noncurrentCount: newerNoncurrentCount = 0 } = this.place ?? {}
    if (sinceAt === undefined) return undefined
    const due = noncurrentTransitionDue(this.#rules, object, sinceAt, newerNoncurrentCount, this.#nowMs)
    return due && { kind: 'transition', noncurrent: { sinceAt, newerNoncurrentCount } }
  }

  #isDue(due: { readonly at: number } | undefined): boolean {
    return due !== undefined && due.at <= this.#nowMs
  }
}

/** The store lists a version whose record it can't read with its name alone; each true one has a summary. */
function isListedAsDamaged({ summary }: ListedVersion): boolean {
  return summary.length === 0
}

/** Tags are not in a listing. */
function asListed({ key, sizeBytes, lastModifiedAt, isDeleteMarker }: ListedVersion): LifecycleObject {
  return { key, sizeBytes, lastModifiedAt, isDeleteMarker, tags: 'unknown' }
}
