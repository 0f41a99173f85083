import { DATA_ALGORITHMS, type SingleLayerAlgorithm } from '@coffer/crypto-core'
import { z } from 'zod'
import { rotationError } from '../errors.ts'

const KEY_NAME = /^(?:[A-Za-z0-9._-]{1,64}\/)?[A-Za-z0-9._-]{1,64}$/
const BUCKET_NAME = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/
/** Other stores, and the oldest buckets of AWS, take more than today's rules allow. */
const SOURCE_BUCKET_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/
const URL_CHARS_MAX = 2048
const PATH_CHARS_MAX = 4096
const KEY_BYTES_MAX = 1024
const DAY_MS = 24 * 3600 * 1000
const AGE_MS_MAX = 100 * 366 * DAY_MS

/** S3 User Guide, "Object tagging": ten tags, keys of 128 and values of 256 characters. */
const TAGS_MAX = 10
const TAG_KEY_MAX = 128
const TAG_VALUE_MAX = 256
const tooManyTags = { message: 'an object has at most ten tags' }

const keyName = z.string().regex(KEY_NAME, 'a key is named `key` or `connector/key`')
const algorithm = z.enum(DATA_ALGORITHMS.map(({ name }) => name))
/** Objects with two layers keep theirs. */
const singleLayerAlgorithm = z.enum(['AES-256-GCM', 'CHACHA20-POLY1305'] satisfies SingleLayerAlgorithm[])
const sizeBytes = z.int().min(0).max(Number.MAX_SAFE_INTEGER)
const ageMs = z.int().min(0).max(AGE_MS_MAX)

/** Which versions a job is about: a bucket, what begins with a prefix in it, or (neither) everything. */
const scope = {
  bucket: z.string().regex(BUCKET_NAME, 'no possible name of a bucket').optional(),
  prefix: z.string().max(KEY_BYTES_MAX).optional(),
}

/** Versions that fit all of it. Ages are of the moment when the job was submitted. */
const filter = z.strictObject({
  minAgeMs: ageMs.optional(),
  maxAgeMs: ageMs.optional(),
  /** Age of the object key: that of the version, unless it has been encrypted anew since. */
  minKeyAgeMs: ageMs.optional(),
  minSizeBytes: sizeBytes.optional(),
  maxSizeBytes: sizeBytes.optional(),
  algorithm: algorithm.optional(),
  /** Objects that have all of these tags. */
  tags: z
    .record(z.string().min(1).max(TAG_KEY_MAX), z.string().max(TAG_VALUE_MAX))
    .refine(isTagCount, tooManyTags)
    .optional(),
  /** The master key that they depend on... */
  keyName: keyName.optional(),
  /** ...and which version of it. */
  keyVersion: z.int().min(1).max(1_000_000).optional(),
})

/** What the versions are to be sealed under; absent: the newest version of what they are. */
const target = z.discriminatedUnion('sse', [
  z.strictObject({ sse: z.literal('SSE-S3') }),
  z.strictObject({ sse: z.literal('SSE-KMS'), keyName, bucketKeyEnabled: z.boolean() }),
])

const rate = {
  objectsPerSecond: z.int().min(1).max(1_000_000).optional(),
  bytesPerSecond: z.int().min(1).max(1_000_000_000_000).optional(),
}
const dryRun = z.boolean().optional()
const storeName = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'a store is named by a-z 0-9 -')
const prefixAlone = { path: ['prefix'], message: 'a prefix needs its bucket' }
const objects = { ...scope, filter: filter.optional(), to: target.optional(), dryRun, ...rate }

/** Where objects are adopted from. The file has the access key: a job's record holds no secret, and the path of one is none. */
const sourcePlace = z.strictObject({
  endpoint: z.url({ protocol: /^https?$/ }).max(URL_CHARS_MAX),
  bucket: z.string().regex(SOURCE_BUCKET_NAME, 'no possible name of a bucket'),
  credentialsFile: z.string().regex(/^\//, 'an absolute path').max(PATH_CHARS_MAX),
})
const adoption = {
  bucket: z.string().regex(BUCKET_NAME, 'no possible name of a bucket'),
  prefix: z.string().max(KEY_BYTES_MAX).optional(),
  /** All versions and delete markers; else what is current. */
  versions: z.boolean().optional(),
}

const REQUESTS = {
  'rotate-key': z.strictObject({ keyName, rewrap: z.boolean().optional(), objectsPerSecond: rate.objectsPerSecond }),
  rewrap: z.strictObject({
    keyName,
    toKeyName: keyName.optional(),
    dryRun,
    objectsPerSecond: rate.objectsPerSecond,
  }),
  reseal: z.strictObject(objects).refine(isPlaced, prefixAlone),
  reencrypt: z.strictObject({ ...objects, algorithm: singleLayerAlgorithm.optional() }).refine(isPlaced, prefixAlone),
  replicate: z
    .strictObject({ ...scope, filter: filter.optional(), dryRun, objectsPerSecond: rate.objectsPerSecond })
    .refine(isPlaced, prefixAlone),
  'move-blobs': z
    .strictObject({ ...scope, from: storeName, to: storeName, dryRun, ...rate })
    .refine(isPlaced, prefixAlone),
  transition: z.strictObject(rate),
  scrub: z.strictObject({}),
  adopt: z.strictObject({ from: sourcePlace, ...adoption, dryRun, ...rate }),
}

export type JobKind = keyof typeof REQUESTS
export type JobRequest<Kind extends JobKind> = z.infer<(typeof REQUESTS)[Kind]>
export type ObjectsRequest = Pick<JobRequest<'reseal'>, 'bucket' | 'prefix' | 'filter' | 'dryRun' | 'objectsPerSecond'>
export type ObjectFilter = z.infer<typeof filter>
export type SealingTarget = z.infer<typeof target>

export function isJobKind(kind: string): kind is JobKind {
  return Object.hasOwn(REQUESTS, kind)
}

/** What a job is asked to do, checked. ROTATION_REQUEST_INVALID. */
export function parseJobRequest<Kind extends JobKind>(kind: Kind, request: unknown): JobRequest<Kind> {
  const parsed = REQUESTS[kind].safeParse(request)
  if (parsed.success) return parsed.data as JobRequest<Kind>
  const [issue] = parsed.error.issues
  throw rotationError('ROTATION_REQUEST_INVALID', { kind, at: issue?.path.join('.') ?? '', why: issue?.message ?? '' })
}

function isTagCount(tags: Readonly<Record<string, string>>): boolean {
  return Object.keys(tags).length <= TAGS_MAX
}

function isPlaced({ bucket, prefix }: { bucket?: string | undefined; prefix?: string | undefined }): boolean {
  return bucket !== undefined || prefix === undefined
}
