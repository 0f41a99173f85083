import { parseHttpDate } from './dates.ts'
import { invalidArgument, s3Error } from './errors.ts'

/** S3 User Guide, "Locking objects with Object Lock". */
export type RetentionMode = 'GOVERNANCE' | 'COMPLIANCE'
export type LegalHold = 'ON' | 'OFF'

export interface Retention {
  readonly mode: RetentionMode
  /** Milliseconds since 1970, whole seconds: as clients see it, so that the same date given again is the same. */
  readonly retainUntilAt: number
}

/** What keeps a version from being removed. */
export interface ObjectLock {
  readonly retention?: Retention
  readonly legalHold?: LegalHold
}

/** What a bucket gives to new versions that bring no retention of their own; one of days and years. */
export type DefaultRetention = { readonly mode: RetentionMode } & (
  | { readonly days: number }
  | { readonly years: number }
)

/** A bucket with Object Lock: it never loses it. */
export interface ObjectLockConfiguration {
  readonly defaultRetention?: DefaultRetention
}

type Headers = Readonly<Record<string, string | undefined>>

const MODE = 'x-amz-object-lock-mode'
const RETAIN_UNTIL = 'x-amz-object-lock-retain-until-date'
const LEGAL_HOLD = 'x-amz-object-lock-legal-hold'
const BYPASS = 'x-amz-bypass-governance-retention'
const EVENT_HOLD = 'x-amz-object-lock-event-hold'
const EVENT_HOLD_HEADERS = [EVENT_HOLD, `${EVENT_HOLD}-duration-days`, `${EVENT_HOLD}-duration-years`]
const SECOND_MS = 1000
const DAY_MS = 86_400_000

export function isRetentionMode(text: string | undefined): text is RetentionMode {
  return text === 'GOVERNANCE' || text === 'COMPLIANCE'
}

/** The lock that a write asks for; undefined: none. InvalidArgument; NotImplemented for an event hold. */
export function parseObjectLockHeaders(headers: Headers, nowMs: number): ObjectLock | undefined {
  if (EVENT_HOLD_HEADERS.some((name) => headers[name] !== undefined)) throw noEventHold()
  const mode = headers[MODE]
  const until = headers[RETAIN_UNTIL]
  const legalHold = headers[LEGAL_HOLD]
  if (mode === undefined && until === undefined && legalHold === undefined) return undefined
  if (legalHold !== undefined && legalHold !== 'ON' && legalHold !== 'OFF') {
    throw invalidArgument(LEGAL_HOLD, legalHold, "Legal Hold must be either of 'ON' or 'OFF'")
  }
  const retention = parseRetentionHeaders(mode, until, nowMs)
  return { ...(retention && { retention }), ...(legalHold && { legalHold }) }
}

function parseRetentionHeaders(mode: string | undefined, until: string | undefined, nowMs: number) {
  if (mode === undefined && until === undefined) return undefined
  if (mode === undefined || until === undefined) {
    const [name, value] = mode === undefined ? [RETAIN_UNTIL, until ?? ''] : [MODE, mode]
    throw invalidArgument(name, value, `${RETAIN_UNTIL} and ${MODE} must both be supplied`)
  }
  if (!isRetentionMode(mode)) throw invalidArgument(MODE, mode, 'Unknown wormMode directive.')
  const retainUntilAt = parseRetainUntil(until)
  if (retainUntilAt === undefined) {
    throw invalidArgument(RETAIN_UNTIL, until, 'The retain until date must be provided in ISO 8601 format')
  }
  assertInFuture(retainUntilAt, until, nowMs)
  return { mode, retainUntilAt }
}

/** A hold that is not kept must not be taken: who asks for it relies on it. */
export function noEventHold() {
  return s3Error('NotImplemented', {
    message: 'Event holds are not available on this server. Legal holds are, until they are taken away.',
  })
}

/** ISO 8601 in UTC; a fraction counts as the next whole second: nothing is held shorter than was asked for. */
export function parseRetainUntil(text: string): number | undefined {
  const match = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/.exec(text)
  const atMs = match === null ? undefined : parseHttpDate(text)
  if (atMs === undefined) return undefined
  return Number(match?.[1] ?? 0) > 0 ? atMs + SECOND_MS : atMs
}

/** InvalidArgument. */
export function assertInFuture(retainUntilAt: number, text: string, nowMs: number): void {
  if (retainUntilAt > nowMs) return
  throw invalidArgument(RETAIN_UNTIL, text, 'The retain until date must be in the future!')
}

/** What a version made at `fromMs` is given; years are those of the calendar. */
export function retentionFrom(byDefault: DefaultRetention, fromMs: number): Retention {
  const wholeMs = Math.ceil(fromMs / SECOND_MS) * SECOND_MS
  if ('days' in byDefault) return { mode: byDefault.mode, retainUntilAt: wholeMs + byDefault.days * DAY_MS }
  const until = new Date(wholeMs)
  until.setUTCFullYear(until.getUTCFullYear() + byDefault.years)
  return { mode: byDefault.mode, retainUntilAt: until.getTime() }
}

/** Headers of GetObject and HeadObject. */
export function objectLockHeaders(lock: ObjectLock | undefined): Record<string, string> {
  return {
    ...(lock?.retention && {
      [MODE]: lock.retention.mode,
      [RETAIN_UNTIL]: new Date(lock.retention.retainUntilAt).toISOString(),
    }),
    ...(lock?.legalHold && { [LEGAL_HOLD]: lock.legalHold }),
  }
}

/** Whether a request asks to pass over retention in governance mode. InvalidArgument for another word than true or false. */
export function asksForBypass(headers: Headers): boolean {
  return booleanHeader(headers, BYPASS)
}

/** x-amz-bucket-object-lock-enabled of CreateBucket. InvalidArgument. */
export function asksForObjectLock(headers: Headers): boolean {
  return booleanHeader(headers, 'x-amz-bucket-object-lock-enabled')
}

function booleanHeader(headers: Headers, name: string): boolean {
  const text = headers[name]?.toLowerCase()
  if (text === undefined || text === 'false') return false
  if (text !== 'true') throw invalidArgument(name, text, `${name} must be true or false.`)
  return true
}

/** What is locked was checked on its way: S3 wants a digest with each put of retention (S3 API, PutObject). InvalidRequest. */
export function assertHasDigest(headers: Headers): void {
  const hasDigest =
    headers['content-md5'] !== undefined ||
    headers['x-amz-trailer'] !== undefined ||
    Object.keys(headers).some((name) => name.startsWith('x-amz-checksum-'))
  if (hasDigest) return
  throw s3Error('InvalidRequest', {
    message:
      'Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters',
  })
}
