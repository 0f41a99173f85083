import { toEncodedWords } from './encoded-words.ts'
import { invalidArgument, s3Error } from './errors.ts'
import { parseTagging, type Tags } from './object-tags.ts'

/** The headers and metadata that are kept with an object and given back with it. */
export interface ObjectHeaders {
  /** Standard headers that the client gave, by lower-case name. */
  readonly standard: Readonly<Record<string, string>>
  /** User metadata, by lower-case name without `x-amz-meta-`; a character of a value is a byte as it came. */
  readonly user: Readonly<Record<string, string>>
  /** From x-amz-tagging, or PutObjectTagging since. Absent: none. */
  readonly tags?: Tags
}

type Headers = Readonly<Record<string, string | undefined>>

/** S3 User Guide, "Working with object metadata": names and values of user metadata together. */
export const USER_METADATA_BYTES_MAX = 2048
const STANDARD_VALUE_BYTES_MAX = 4096
const META = 'x-amz-meta-'
const DEFAULT_CONTENT_TYPE = 'binary/octet-stream'
const REDIRECT = 'x-amz-website-redirect-location'
const STANDARD = [
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'expires',
  REDIRECT,
]

/** MetadataTooLarge, InvalidRedirectLocation, InvalidTag, InvalidArgument. */
export function parseObjectHeaders(headers: Headers): ObjectHeaders {
  assertRedirectLocation(headers[REDIRECT])
  const standard: Record<string, string> = {}
  for (const name of STANDARD) {
    const value = name === 'content-encoding' ? withoutAwsChunked(headers[name]) : headers[name]
    if (value === undefined || value === '') continue
    if (Buffer.byteLength(value) > STANDARD_VALUE_BYTES_MAX) throw s3Error('MetadataTooLarge')
    standard[name] = value
  }
  return withTags({ standard, user: parseUserMetadata(headers) }, parseTagging(headers['x-amz-tagging'] ?? ''))
}

/** The same headers with these tags and no others. */
export function withTags({ standard, user }: ObjectHeaders, tags: Tags): ObjectHeaders {
  return { standard, user, ...(Object.keys(tags).length > 0 && { tags }) }
}

/**
 * What a copy keeps of its source and takes from its request (S3 API, CopyObject): x-amz-metadata-directive and
 * x-amz-tagging-directive, COPY or REPLACE, each for itself. InvalidArgument, and the refusals of `parseObjectHeaders`.
 */
export function parseCopiedHeaders(headers: Headers): {
  readonly replacesMetadata: boolean
  readonly replacesTags: boolean
  headersFrom(source: ObjectHeaders): ObjectHeaders
} {
  const replacesMetadata = isReplaced(headers, 'x-amz-metadata-directive', 'Unknown metadata directive.')
  const replacesTags = isReplaced(headers, 'x-amz-tagging-directive', 'Unknown tagging directive.')
  const given = replacesMetadata ? parseObjectHeaders(headers) : undefined
  const tags = replacesTags ? parseTagging(headers['x-amz-tagging'] ?? '') : undefined
  return {
    replacesMetadata,
    replacesTags,
    headersFrom: (source) => withTags(given ?? withRedirect(source, headers[REDIRECT]), tags ?? source.tags ?? {}),
  }
}

/** S3 API, CopyObject: x-amz-website-redirect-location is each object's own: never copied, always that of the request. */
function withRedirect({ standard, ...more }: ObjectHeaders, location: string | undefined): ObjectHeaders {
  assertRedirectLocation(location)
  const { [REDIRECT]: _, ...kept } = standard
  return { ...more, standard: { ...kept, ...(location && { [REDIRECT]: location }) } }
}

function isReplaced(headers: Headers, name: string, message: string): boolean {
  const directive = headers[name] ?? 'COPY'
  if (directive !== 'COPY' && directive !== 'REPLACE') throw invalidArgument(name, directive, message)
  return directive === 'REPLACE'
}

/** Response headers of an object: what was kept with it. */
export function objectResponseHeaders(object: ObjectHeaders): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': DEFAULT_CONTENT_TYPE, ...object.standard }
  for (const [name, value] of Object.entries(object.user)) headers[META + name] = toEncodedWords(value)
  if (object.tags !== undefined) headers['x-amz-tagging-count'] = String(Object.keys(object.tags).length)
  return headers
}

const OVERRIDES: Readonly<Record<string, string>> = {
  'response-cache-control': 'cache-control',
  'response-content-disposition': 'content-disposition',
  'response-content-encoding': 'content-encoding',
  'response-content-language': 'content-language',
  'response-content-type': 'content-type',
  'response-expires': 'expires',
}

/** response-* parameters of GetObject. A value that no header can carry is InvalidArgument. */
export function responseOverrides(query: ReadonlyMap<string, string>): Record<string, string> {
  const headers: Record<string, string> = {}
  if (query.size === 0) return headers
  for (const [parameter, name] of Object.entries(OVERRIDES)) {
    const value = query.get(parameter)
    if (value === undefined) continue
    if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) {
      throw invalidArgument(parameter, value, 'Header value cannot be represented using ISO-8859-1.')
    }
    headers[name] = value
  }
  return headers
}

function parseUserMetadata(headers: Headers): Record<string, string> {
  const user: [name: string, value: string][] = []
  let sizeBytes = 0
  for (const name in headers) {
    const value = headers[name]
    if (!name.startsWith(META) || value === undefined) continue
    const bare = name.slice(META.length)
    sizeBytes += bare.length + value.length
    user.push([bare, value])
  }
  if (sizeBytes > USER_METADATA_BYTES_MAX) {
    throw s3Error('MetadataTooLarge', {
      details: { Size: String(sizeBytes), MaxSizeAllowed: String(USER_METADATA_BYTES_MAX) },
    })
  }
  // As own properties, whatever their names: `x-amz-meta-__proto__` is one like any other.
  return Object.fromEntries(user)
}

/** aws-chunked is the framing of this upload, not an encoding of the object. */
function withoutAwsChunked(value: string | undefined): string | undefined {
  return value
    ?.split(',')
    .map((coding) => coding.trim())
    .filter((coding) => coding !== 'aws-chunked' && coding !== '')
    .join(', ')
}

/** S3 API, PutObject: an object of the same bucket, or another site. */
function assertRedirectLocation(location: string | undefined): void {
  if (location === undefined || location === '' || /^(?:\/|https?:\/\/)/.test(location)) return
  throw s3Error('InvalidRedirectLocation')
}

/**
 * S3 User Guide, "Controlling ownership of objects": with BucketOwnerEnforced, S3's default, only the ACL that says the same is
 * accepted. `harmless`: one more that is. AccessControlListNotSupported.
 */
export function assertAclIsOwners(headers: Headers, harmless?: 'private'): void {
  const acl = headers['x-amz-acl']
  const granted = ['read', 'write', 'read-acp', 'write-acp', 'full-control'].some(
    (right) => headers[`x-amz-grant-${right}`] !== undefined,
  )
  const changesNothing = acl === undefined || acl === 'bucket-owner-full-control' || acl === harmless
  if (granted || !changesNothing) {
    throw s3Error('AccessControlListNotSupported')
  }
}
