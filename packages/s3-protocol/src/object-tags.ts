import { s3Error } from './errors.ts'

/** S3 User Guide, "Categorizing your storage using tags". */
const TAGS_MAX = 10
const TAG_KEY_CHARS_MAX = 128
const TAG_VALUE_CHARS_MAX = 256
const TAG_TEXT = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u
const RESERVED_PREFIX = 'aws:'

/** x-amz-tagging (S3 API, PutObject): `key=value&...`, encoded like a query. InvalidTag, InvalidArgument. */
export function parseTagging(tagging: string): Record<string, string> {
  const pairs = tagging.split('&').filter((pair) => pair !== '')
  if (pairs.length > TAGS_MAX)
    throw s3Error('InvalidTag', { message: `Object tags cannot be greater than ${TAGS_MAX}` })
  const tags = new Map<string, string>()
  for (const pair of pairs) {
    const equalsAt = pair.indexOf('=')
    const key = decode(equalsAt === -1 ? pair : pair.slice(0, equalsAt))
    const value = equalsAt === -1 ? '' : decode(pair.slice(equalsAt + 1))
    if (key === '' || tags.has(key)) throw notEncoded()
    assertTag(key, value)
    tags.set(key, value)
  }
  return Object.fromEntries(tags)
}

function assertTag(key: string, value: string): void {
  if (key.length > TAG_KEY_CHARS_MAX || !TAG_TEXT.test(key) || key.toLowerCase().startsWith(RESERVED_PREFIX)) {
    throw s3Error('InvalidTag', { message: 'The TagKey you have provided is invalid', details: { TagKey: key } })
  }
  if (value.length > TAG_VALUE_CHARS_MAX || !TAG_TEXT.test(value)) {
    throw s3Error('InvalidTag', { message: 'The TagValue you have provided is invalid', details: { TagKey: key } })
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw notEncoded()
  }
}

function notEncoded() {
  return s3Error('InvalidArgument', {
    message:
      "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
    details: { ArgumentName: 'x-amz-tagging' },
  })
}
