import { type ContextValues, namesKey, type Policy, principalValue, tagNamed } from '@coffer/policy'
import { iso8601, parseTagging, queryValues, type Tags } from '@coffer/s3-protocol'
import { TAG_KEYS } from '../bucket/bucket-tags.ts'
import type { LocatedRequest } from '../requests.ts'
import { lockValue } from './lock-values.ts'

const QUERY_KEYS: Readonly<Record<string, string>> = {
  's3:delimiter': 'delimiter',
  's3:max-keys': 'max-keys',
  's3:prefix': 'prefix',
  's3:versionid': 'versionId',
}
const HEADER_KEYS: Readonly<Record<string, string>> = {
  'aws:referer': 'referer',
  'aws:useragent': 'user-agent',
}
/** Of writes. A read's are no condition keys. */
const CONDITION_KEYS: Readonly<Record<string, string>> = {
  's3:if-match': 'if-match',
  's3:if-none-match': 'if-none-match',
}
/** s3:ObjectCreationOperation: whether the request makes an object, or only its beginnings. */
const CREATES_OBJECT: Readonly<Record<string, 'true' | 'false'>> = {
  CompleteMultipartUpload: 'true',
  CopyObject: 'true',
  CreateMultipartUpload: 'false',
  PostObject: 'true',
  PutObject: 'true',
  RenameObject: 'true',
  UploadPart: 'false',
  UploadPartCopy: 'false',
}
/** The only one of its kind that RenameObject acts on: what others say of the object would not become true. */
const PAYLOAD_HASH = 'x-amz-content-sha256'
const AUTHENTICATION_TYPES = { header: 'REST-HEADER', presigned: 'REST-QUERY-STRING', form: 'POST' } as const
const BUCKETS_TAG = /^(?:aws:resourcetag|s3:buckettag)\//
const EXISTING_TAG = 's3:existingobjecttag/'
const REQUEST_TAG = 's3:requestobjecttag/'
const REQUEST_TAG_KEYS = 's3:requestobjecttagkeys'
const BUCKET_TAG = 'aws:requesttag/'
const BUCKET_TAG_KEYS = 'aws:tagkeys'
/** With these and no others tags come in a header; of any other operation a header that says so does nothing. */
const TAGS_IN_HEADER: ReadonlySet<string> = new Set(['CopyObject', 'CreateMultipartUpload', 'PostObject', 'PutObject'])
const ENCRYPTION = 's3:x-amz-server-side-encryption'
const LOCK = 's3:object-lock-'
const LOCATION = 's3:locationconstraint'

/** Whether a policy asks for the tags that an object has, which have to be looked up. */
export const asksForExistingTags = remembered((policy) => namesKey(policy, EXISTING_TAG))

/** The same of how an object is to be encrypted. */
export const asksForEncryption = remembered((policy) => namesKey(policy, ENCRYPTION))

/** The same of the lock that an object is to have, and of where a bucket is to be. */
export const asksForLock = remembered((policy) => namesKey(policy, LOCK))
export const asksForLocation = remembered((policy) => namesKey(policy, LOCATION))

/** The same of the tags that a request gives a bucket. */
export const asksForBucketTags = remembered(
  (policy) => namesKey(policy, BUCKET_TAG) || namesKey(policy, BUCKET_TAG_KEYS),
)

/** And of those that it gives an object. */
export const asksForRequestTags = remembered(
  (policy) => namesKey(policy, REQUEST_TAG) || namesKey(policy, REQUEST_TAG_KEYS),
)

/**
 * The values of condition keys for a request (IAM User Guide, "AWS global condition context keys"; Service Authorization
 * Reference, Amazon S3, "Condition keys"). What Coffer knows nothing of is not there.
 */
export function conditionValues(
  request: LocatedRequest,
  resource: ResourceFacts,
  said?: Readonly<Record<string, string | undefined>>,
): ContextValues {
  return (key) => {
    const isSaid = said !== undefined && Object.hasOwn(said, key)
    const value = isSaid ? said[key] : readerOf(key)(request, resource)
    return typeof value === 'string' ? [value] : value
  }
}

/** What is asked about. */
export interface ResourceFacts {
  /** Whose it is. */
  readonly accountId: string | undefined
  readonly existingTags?: Tags | undefined
  /** Of a bucket whose tags policies are to see. */
  readonly bucketTags?: Tags | undefined
}

/** Of the keys that speak of the bucket or object itself. */
export function resourceValue(key: string, { accountId, existingTags, bucketTags }: ResourceFacts): string | undefined {
  if (key === 'aws:resourceaccount' || key === 's3:resourceaccount') return accountId
  if (BUCKETS_TAG.test(key)) return tagNamed(bucketTags, key.slice(key.indexOf('/') + 1))
  return key.startsWith(EXISTING_TAG) ? tagNamed(existingTags, key.slice(EXISTING_TAG.length)) : undefined
}

type Value = string | readonly string[] | undefined
type Reader = (request: LocatedRequest, resource: ResourceFacts) => Value

/** How the value of each key is found that a policy has asked for: what a key is about is seen once, not with each request. */
const readers = new Map<string, Reader>()
/** More than there are keys; the names of tags are anybody's. */
const READERS_MAX = 1000

function readerOf(key: string): Reader {
  const known = readers.get(key)
  if (known !== undefined) return known
  const ofRequest = requestReader(key)
  const reader: Reader = isOfResource(key)
    ? (request, resource) => resourceValue(key, resource) ?? ofRequest(request)
    : ofRequest
  if (readers.size >= READERS_MAX) readers.clear()
  readers.set(key, reader)
  return reader
}

function isOfResource(key: string): boolean {
  return key.endsWith(':resourceaccount') || BUCKETS_TAG.test(key) || key.startsWith(EXISTING_TAG)
}

function requestReader(key: string): (request: LocatedRequest) => Value {
  const inQuery = QUERY_KEYS[key]
  if (inQuery !== undefined) return ({ parsed }) => parsed.query.get(inQuery)
  const inHeader = HEADER_KEYS[key]
  if (inHeader !== undefined) return ({ parsed }) => parsed.headers[inHeader]
  const inCondition = CONDITION_KEYS[key]
  if (inCondition !== undefined) {
    return ({ parsed: { method, headers } }) =>
      method === 'GET' || method === 'HEAD' ? undefined : promiseOf(headers[inCondition], key)
  }
  if (key.startsWith(LOCK)) return ({ lock, receivedAtMs }) => lock && lockValue(lock, key, receivedAtMs)
  if (key.startsWith(ENCRYPTION) || key.startsWith('s3:x-amz-')) return headerReader(key)
  if (key.startsWith(REQUEST_TAG)) return (request) => tagNamed(requestTags(request), key.slice(REQUEST_TAG.length))
  if (key.startsWith(BUCKET_TAG)) return (request) => tagNamed(bucketTags(request), key.slice(BUCKET_TAG.length))
  const ofRequest = Object.hasOwn(OF_REQUEST, key) ? OF_REQUEST[key] : undefined
  return ofRequest ?? (({ principal }) => principalValue(principal, key))
}

function headerReader(key: string): (request: LocatedRequest) => Value {
  const header = key.slice('s3:'.length)
  const isOfEncryption = key.startsWith(ENCRYPTION)
  return ({ encryption, parsed: { operation, headers } }) => {
    if (isOfEncryption && encryption) return encryption[header]
    return operation === 'RenameObject' && header !== PAYLOAD_HASH ? undefined : headers[header]
  }
}

/** An If-None-Match that names an ETag fits almost any object: to policies that ask that nothing is overwritten it is none. */
function promiseOf(header: string | undefined, key: string): string | undefined {
  return key === 's3:if-none-match' && header?.trim() !== '*' ? undefined : header
}

const OF_REQUEST: Readonly<Record<string, (request: LocatedRequest) => Value>> = {
  's3:objectcreationoperation': ({ parsed }) => CREATES_OBJECT[parsed.operation],
  [LOCATION]: ({ location }) => location,
  's3:tlsversion': ({ tlsVersion }) => tlsVersion,
  'aws:requestedregion': ({ region }) => region,
  'aws:sourceip': ({ sourceIp }) => sourceIp,
  'aws:securetransport': ({ parsed }) => String(parsed.secure),
  'aws:currenttime': ({ receivedAtMs }) => timeText(receivedAtMs),
  'aws:epochtime': ({ receivedAtMs }) => String(Math.floor(receivedAtMs / 1000)),
  's3:authtype': ({ authentication }) => {
    if (authentication.kind === 'anonymous') return undefined
    return AUTHENTICATION_TYPES[authentication.kind === 'v2' ? authentication.via : authentication.kind]
  },
  's3:signatureversion': ({ authentication }) => {
    if (authentication.kind === 'anonymous') return undefined
    return authentication.kind === 'v2' ? 'AWS' : 'AWS4-HMAC-SHA256'
  },
  's3:signatureage': ({ authentication, receivedAtMs }) =>
    'signedAtMs' in authentication ? String(receivedAtMs - authentication.signedAtMs) : undefined,
  [REQUEST_TAG_KEYS]: (request) => Object.keys(requestTags(request) ?? {}),
  [BUCKET_TAG_KEYS]: (request) => {
    if (request.parsed.operation === 'UntagResource') return queryValues(request.parsed, TAG_KEYS)
    return Object.keys(bucketTags(request) ?? {})
  },
}

let lastTime = { atMs: Number.NaN, text: '' }

/** Many requests come in one millisecond. */
function timeText(atMs: number): string {
  if (atMs !== lastTime.atMs) lastTime = { atMs, text: iso8601(atMs) }
  return lastTime.text
}

/** The tags that the request sets, in its body or its header; a copy only where it replaces those of its source. */
function requestTags({ parsed: { headers, operation }, tagsAsked }: LocatedRequest): Tags | undefined {
  if (operation === 'PutObjectTagging') return tagsAsked
  if (!TAGS_IN_HEADER.has(operation)) return undefined
  if (operation === 'CopyObject' && headers['x-amz-tagging-directive'] !== 'REPLACE') return undefined
  const text = headers['x-amz-tagging']
  try {
    return text === undefined ? undefined : parseTagging(text)
  } catch {
    // Refused by the operation itself.
    return undefined
  }
}

/** The tags that the request gives a bucket which it makes, or one that is there by the S3 Control API. */
function bucketTags({ parsed: { operation }, tagsAsked }: LocatedRequest): Tags | undefined {
  return operation === 'CreateBucket' || operation === 'TagResource' ? tagsAsked : undefined
}

/** Asked once of each policy. */
export function remembered(ask: (policy: Policy) => boolean): (policy: Policy) => boolean {
  const answers = new WeakMap<Policy, boolean>()
  return (policy) => {
    const known = answers.get(policy)
    if (known !== undefined) return known
    const answer = ask(policy)
    answers.set(policy, answer)
    return answer
  }
}
