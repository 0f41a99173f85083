import { parseHttpDate } from './dates.ts'

/** Preconditions of a read or of the source of a copy (RFC 9110, section 13.1). */
export interface Conditions {
  readonly ifMatch?: string
  readonly ifNoneMatch?: string
  readonly ifModifiedSinceMs?: number
  readonly ifUnmodifiedSinceMs?: number
}

export type Verdict = 'ok' | 'not-modified' | 'precondition-failed'

/** A date that is none is ignored, as RFC 9110, section 13.1.3 has it. */
export function parseConditions(
  headers: Readonly<Record<string, string | undefined>>,
  prefix: '' | 'x-amz-copy-source-' | 'x-amz-rename-source-',
): Conditions {
  const ifMatch = headers[`${prefix}if-match`]
  const ifNoneMatch = headers[`${prefix}if-none-match`]
  const ifModifiedSinceMs = parseHttpDate(headers[`${prefix}if-modified-since`] ?? '')
  const ifUnmodifiedSinceMs = parseHttpDate(headers[`${prefix}if-unmodified-since`] ?? '')
  return {
    ...(ifMatch !== undefined && { ifMatch }),
    ...(ifNoneMatch !== undefined && { ifNoneMatch }),
    ...(ifModifiedSinceMs !== undefined && { ifModifiedSinceMs }),
    ...(ifUnmodifiedSinceMs !== undefined && { ifUnmodifiedSinceMs }),
  }
}

/** In the order of RFC 9110, section 13.2.2; times compare in whole seconds, as HTTP shows them. `etag` is quoted. */
export function evaluateRead(
  conditions: Conditions,
  object: { readonly etag: string; readonly lastModifiedAt: number },
): Verdict {
  const modifiedAtMs = Math.floor(object.lastModifiedAt / 1000) * 1000
  if (conditions.ifMatch !== undefined) {
    if (!matchesEtag(conditions.ifMatch, object.etag)) return 'precondition-failed'
  } else if (conditions.ifUnmodifiedSinceMs !== undefined && modifiedAtMs > conditions.ifUnmodifiedSinceMs) {
    return 'precondition-failed'
  }
  if (conditions.ifNoneMatch !== undefined) {
    if (matchesEtag(conditions.ifNoneMatch, object.etag)) return 'not-modified'
  } else if (conditions.ifModifiedSinceMs !== undefined && modifiedAtMs <= conditions.ifModifiedSinceMs) {
    return 'not-modified'
  }
  return 'ok'
}

/** A list of entity tags or `*`. Weak ones match like strong ones; S3 clients also send them without quotes. */
export function matchesEtag(header: string, etag: string): boolean {
  const wanted = bare(etag)
  return header.split(',').some((tag) => tag.trim() === '*' || bare(tag) === wanted)
}

function bare(tag: string): string {
  return tag.trim().replace(/^W\//, '').replaceAll('"', '')
}
