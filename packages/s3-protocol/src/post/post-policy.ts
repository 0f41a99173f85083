import { S3_ERRORS, s3Error } from '../errors.ts'

/** A POST policy (S3 API, "Creating a POST policy"): until when, and what the form may hold. */
export interface PostPolicy {
  readonly expiresAtMs: number
  readonly conditions: readonly PostCondition[]
  /** From content-length-range; several hold together. */
  readonly sizeRange?: SizeRange
}

export interface SizeRange {
  readonly sizeBytesMin: number
  readonly sizeBytesMax: number
}

interface PostCondition {
  readonly operator: 'eq' | 'starts-with'
  /** Lower case. */
  readonly field: string
  readonly value: string
}

const CONDITIONS_MAX = 100
const EXPIRATION = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/
/** Fields that need no condition: the signature itself, and what can only make the upload fail. */
const UNCONDITIONED = /^(?:policy|signature|awsaccesskeyid|x-amz-signature|x-ignore-.*|x-amz-checksum-[a-z0-9]+)$/

/** InvalidPolicyDocument. */
export function parsePostPolicy(base64: string): PostPolicy {
  const document = readJson(base64)
  const { expiration, conditions } = document
  if (typeof expiration !== 'string' || !EXPIRATION.test(expiration)) throw invalid('Invalid expiration.')
  const expiresAtMs = Date.parse(expiration)
  if (Number.isNaN(expiresAtMs)) throw invalid('Invalid expiration.')
  if (!Array.isArray(conditions) || conditions.length > CONDITIONS_MAX) throw invalid('Invalid conditions.')
  const ranges = conditions.filter(isSizeRange).map(parseSizeRange)
  const rest = conditions.filter((condition) => !isSizeRange(condition)).flatMap(parseCondition)
  if (rest.length > CONDITIONS_MAX) throw invalid('Invalid conditions.')
  return {
    expiresAtMs,
    conditions: rest,
    ...(ranges.length > 0 && {
      sizeRange: {
        sizeBytesMin: Math.max(...ranges.map(({ sizeBytesMin }) => sizeBytesMin)),
        sizeBytesMax: Math.min(...ranges.map(({ sizeBytesMax }) => sizeBytesMax)),
      },
    }),
  }
}

/** Every condition must hold, and every field must have one. AccessDenied. */
export function assertPolicyAllows(
  policy: PostPolicy,
  form: { readonly fields: ReadonlyMap<string, string>; readonly bucket: string },
  nowMs: number,
): void {
  if (nowMs > policy.expiresAtMs) throw denied('Policy expired.')
  const values = new Map(form.fields).set('bucket', form.bucket)
  for (const condition of policy.conditions) {
    if (!holds(condition, values.get(condition.field) ?? '')) {
      throw denied(`Policy Condition failed: ["${condition.operator}", "$${condition.field}", "${condition.value}"]`)
    }
  }
  const conditioned = new Set(policy.conditions.map(({ field }) => field))
  for (const field of form.fields.keys()) {
    if (!conditioned.has(field) && !UNCONDITIONED.test(field)) throw denied(`Extra input fields: ${field}`)
  }
}

function holds({ operator, field, value }: PostCondition, given: string): boolean {
  if (operator === 'eq') return given === value
  // S3 API: a list of content types is matched one by one.
  const parts = field === 'content-type' ? given.split(',').map((part) => part.trim()) : [given]
  return parts.every((part) => part.startsWith(value))
}

function readJson(base64: string): Readonly<Record<string, unknown>> {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(base64, 'base64'))
    const document: unknown = JSON.parse(text)
    if (isRecord(document)) return document
  } catch (cause) {
    throw s3Error('InvalidPolicyDocument', { message: 'Invalid Policy: Invalid JSON.', cause })
  }
  throw invalid('Invalid JSON.')
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isSizeRange(condition: unknown): condition is readonly unknown[] {
  return Array.isArray(condition) && lowerCase(condition[0]) === 'content-length-range'
}

function parseSizeRange(condition: readonly unknown[]): SizeRange {
  const [, min, max] = condition.map((value) => (typeof value === 'string' && value !== '' ? Number(value) : value))
  const fits = condition.length === 3 && isSize(min) && isSize(max) && min <= max
  if (!fits) throw invalid('Invalid content-length-range.')
  return { sizeBytesMin: min, sizeBytesMax: max }
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function parseCondition(condition: unknown): PostCondition[] {
  if (isRecord(condition)) {
    const entries = Object.entries(condition)
    if (entries.length === 0) throw invalid('Invalid condition.')
    return entries.map(([field, value]) => conditionOf('eq', field, value))
  }
  if (!Array.isArray(condition) || condition.length !== 3) throw invalid('Invalid condition.')
  const [operator, field, value] = condition
  if (typeof field !== 'string' || !field.startsWith('$')) throw invalid('Invalid condition.')
  return [conditionOf(lowerCase(operator), field.slice(1), value)]
}

function conditionOf(operator: string, field: string, value: unknown): PostCondition {
  if ((operator !== 'eq' && operator !== 'starts-with') || typeof value !== 'string' || field === '') {
    throw invalid('Invalid condition.')
  }
  return { operator, field: field.toLowerCase(), value }
}

function lowerCase(value: unknown): string {
  return typeof value === 'string' ? value.toLowerCase() : ''
}

function invalid(reason: string) {
  return s3Error('InvalidPolicyDocument', { message: `Invalid Policy: ${reason}` })
}

function denied(reason: string) {
  return s3Error('AccessDenied', { message: `${S3_ERRORS.AccessDenied[1]}: Invalid according to Policy: ${reason}` })
}
