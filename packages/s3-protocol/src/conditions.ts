import { parseHttpDate } from './dates.ts'

/** Preconditions of a read or of the source of a copy (RFC 9110, section 13.1). */
export interface Conditions {
  readonly ifMatch?: string
  readonly ifNoneMatch?: string
  readonly ifModifiedSinceMs?: number
  readonly ifUnmodifiedSinceMs?: number
}

export type Verdict = 'ok' | 'not-modified' | 'precondition-failed'

/** As AWS names in its errors which one did not hold. */
export type ConditionName = 'If-Match' | 'If-Unmodified-Since' | 'If-None-Match' | 'If-Modified-Since'

/**
 * A date that is none is ignored, as RFC 9110, section 13.1.3 has it; so is an If-Modified-Since that is still to come (RFC 2616,
 * section 14.25; AWS keeps to it).
 */
export function parseConditions(
  headers: Readonly<Record<string, string | undefined>>,
  prefix: '' | 'x-amz-copy-source-' | 'x-amz-rename-source-',
  nowMs = Date.now(),
): Conditions {
  const ifMatch = headers[`${prefix}if-match`]
  const ifNoneMatch = headers[`${prefix}if-none-match`]
  const ifModifiedSinceMs = parseHttpDate(headers[`${prefix}if-modified-since`] ?? '')
  const ifUnmodifiedSinceMs = parseHttpDate(headers[`${prefix}if-unmodified-since`] ?? '')
  return {
    ...(ifMatch !== undefined && { ifMatch }),
    ...(ifNoneMatch !== undefined && { ifNoneMatch }),
    ...(ifModifiedSinceMs !== undefined && ifModifiedSinceMs <= nowMs && { ifModifiedSinceMs }),
    ...(ifUnmodifiedSinceMs !== undefined && { ifUnmodifiedSinceMs }),
  }
}

export function evaluateRead(
  conditions: Conditions,
  object: { readonly etag: string; readonly lastModifiedAt: number },
): Verdict {
  const failed = failedCondition(conditions, object)
  if (failed === undefined) return 'ok'
  return failed === 'If-None-Match' || failed === 'If-Modified-Since' ? 'not-modified' : 'precondition-failed'
}

/**
 * The first that does not hold, in the order of RFC 9110, section 13.2.2; times compare in whole seconds, as HTTP shows them. `etag` is
 * quoted.
 */
export function failedCondition(
  conditions: Conditions,
  object: { readonly etag: string; readonly lastModifiedAt: number },
): ConditionName | undefined {
  const modifiedAtMs = Math.floor(object.lastModifiedAt / 1000) * 1000
  if (conditions.ifMatch !== undefined) {
    if (!matchesEtag(conditions.ifMatch, object.etag)) return 'If-Match'
  } else if (conditions.ifUnmodifiedSinceMs !== undefined && modifiedAtMs > conditions.ifUnmodifiedSinceMs) {
    return 'If-Unmodified-Since'
  }
  if (conditions.ifNoneMatch !== undefined) {
    if (matchesEtag(conditions.ifNoneMatch, object.etag)) return 'If-None-Match'
  } else if (conditions.ifModifiedSinceMs !== undefined && modifiedAtMs <= conditions.ifModifiedSinceMs) {
    return 'If-Modified-Since'
  }
  return undefined
}

/**
 * Whether a Range counts (RFC 9110, section 13.1.5): what a client has of the object is of this very state of it, or it has asked for nothing
 * of the kind. Weak tags never tell that, nor do dates but the exact one.
 */
export function rangeCounts(
  ifRange: string | undefined,
  object: { readonly etag: string; readonly lastModifiedAt: number },
): boolean {
  if (ifRange === undefined) return true
  const atMs = parseHttpDate(ifRange)
  if (atMs !== undefined) return atMs === Math.floor(object.lastModifiedAt / 1000) * 1000
  return !ifRange.trim().startsWith('W/') && bare(ifRange) === bare(object.etag)
}

/** A list of entity tags or `*`. Weak ones match like strong ones; S3 clients also send them without quotes. */
export function matchesEtag(header: string, etag: string): boolean {
  const wanted = bare(etag)
  return header.split(',').some((tag) => tag.trim() === '*' || bare(tag) === wanted)
}

function bare(tag: string): string {
  return tag.trim().replace(/^W\//, '').replaceAll('"', '')
}
