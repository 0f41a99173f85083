import type { JWTPayload } from 'jose'
import { webIdentityError } from './errors.ts'

/** Tags that a token gives the session it is changed for. */
export interface SessionTags {
  readonly tags: Readonly<Record<string, string>>
  readonly transitiveTagKeys: readonly string[]
}

const CLAIM = 'https://aws.amazon.com/tags'
/** IAM User Guide, "Rules for session tags". */
const TAGS_MAX = 50
const KEY = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}$/u
const VALUE = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,256}$/u

/**
 * The claim `https://aws.amazon.com/tags` (IAM User Guide, "Passing session tags using AssumeRoleWithWebIdentity"):
 * `{"principal_tags": {"team": ["blue"]}, "transitive_tag_keys": ["team"]}`. WEB_IDENTITY_TOKEN_INVALID for what is none: a session
 * without the tags that its provider meant could do more than it should.
 */
export function sessionTagsIn(payload: JWTPayload): SessionTags {
  const claim = payload[CLAIM]
  if (claim === undefined) return { tags: {}, transitiveTagKeys: [] }
  const { principal_tags: principalTags = {}, transitive_tag_keys: transitiveKeys = [] } = objectOf(claim)
  const tags = Object.entries(objectOf(principalTags)).map(([key, values]) => [key, onlyOf(values)] as const)
  const names = new Set(tags.map(([key]) => key.toLowerCase()))
  if (!Array.isArray(transitiveKeys) || tags.length > TAGS_MAX || names.size < tags.length) throw invalid()
  const keys = new Set(tags.map(([key]) => key))
  if (!tags.every(([key, value]) => KEY.test(key) && VALUE.test(value))) throw invalid()
  if (!transitiveKeys.every((key): key is string => typeof key === 'string' && keys.has(key))) throw invalid()
  return { tags: Object.fromEntries(tags), transitiveTagKeys: transitiveKeys }
}

/** One value, alone or as a list of one. */
function onlyOf(values: unknown): string {
  const [value, ...more] = Array.isArray(values) ? values : [values]
  if (typeof value !== 'string' || more.length > 0) throw invalid()
  return value
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid()
  return value as Readonly<Record<string, unknown>>
}

function invalid(): Error {
  return webIdentityError('WEB_IDENTITY_TOKEN_INVALID')
}
