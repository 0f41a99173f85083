import { s3Error } from './errors.ts'

/** Tags of an object or a bucket: values by their keys. */
export type Tags = Readonly<Record<string, string>>

/** What carries tags, and how many at most (S3 User Guide, "Categorizing your storage using tags"; S3 API, PutBucketTagging). */
export type TaggedKind = 'object' | 'bucket'
const TAGS_MAX: Readonly<Record<TaggedKind, number>> = { object: 10, bucket: 50 }
/** In UTF-16 units, as S3 counts them. */
const TAG_KEY_CHARS_MAX = 128
const TAG_VALUE_CHARS_MAX = 256
const TAG_TEXT = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u
const RESERVED_PREFIX = 'aws:'

/** x-amz-tagging (S3 API, PutObject): `key=value&...`, encoded like a query. BadRequest, InvalidTag, InvalidArgument. */
export function parseTagging(tagging: string): Tags {
  const pairs = tagging.split('&').filter((pair) => pair !== '')
  assertTagCount(pairs.length, 'object')
  const tags = new Map<string, string>()
  for (const pair of pairs) {
    const equalsAt = pair.indexOf('=')
    const key = decode(equalsAt === -1 ? pair : pair.slice(0, equalsAt), tagging)
    const value = equalsAt === -1 ? '' : decode(pair.slice(equalsAt + 1), tagging)
    const isText = TAG_TEXT.test(key) && TAG_TEXT.test(value)
    // Recorded of AWS by LocalStack (test_object_tagging_exc): the header as a whole is wrong, where in a document a tag is.
    if (key === '' || tags.has(key) || !isText) throw notEncoded(tagging)
    assertTag(key, value)
    tags.set(key, value)
  }
  return Object.fromEntries(tags)
}

/** BadRequest. */
export function assertTagCount(count: number, kind: TaggedKind): void {
  if (count <= TAGS_MAX[kind]) return
  const what = kind === 'object' ? 'Object tags' : 'Bucket tag count'
  throw s3Error('BadRequest', { message: `${what} cannot be greater than ${TAGS_MAX[kind]}` })
}

/** InvalidTag for an empty key, one that AWS reserves, a text too long, or characters that tags can't have. */
export function assertTag(key: string, value: string): void {
  if (key.length > TAG_KEY_CHARS_MAX || key === '' || !TAG_TEXT.test(key)) {
    throw s3Error('InvalidTag', { message: 'The TagKey you have provided is invalid', details: { TagKey: key } })
  }
  if (key.toLowerCase().startsWith(RESERVED_PREFIX)) {
    throw s3Error('InvalidTag', {
      message: 'System tags cannot be added/updated by requester',
      details: { TagKey: key },
    })
  }
  if (value.length > TAG_VALUE_CHARS_MAX || !TAG_TEXT.test(value)) {
    throw s3Error('InvalidTag', { message: 'The TagValue you have provided is invalid', details: { TagKey: key } })
  }
}

function decode(text: string, tagging: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw notEncoded(tagging)
  }
}

function notEncoded(tagging: string) {
  return s3Error('InvalidArgument', {
    message:
      "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
    details: { ArgumentName: 'x-amz-tagging', ArgumentValue: tagging },
  })
}
