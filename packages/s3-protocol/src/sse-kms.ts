import { invalidArgument, s3Error } from './errors.ts'

/** An object key sealed under a master key that the client names: SSE-KMS, or DSSE-KMS with its two layers. */
export interface SseKmsRequest {
  readonly kind: 'SSE-KMS' | 'DSSE-KMS'
  /** As the client wrote it; absent: the server's own master key. */
  readonly keyId?: string
  readonly encryptionContext?: Readonly<Record<string, string>>
  /** Absent: as the bucket has it. */
  readonly bucketKeyEnabled?: boolean
}

type Headers = Readonly<Record<string, string | undefined>>

const SSE = 'x-amz-server-side-encryption'
const KEY_ID_HEADER = `${SSE}-aws-kms-key-id`
const CONTEXT_HEADER = `${SSE}-context`
const BUCKET_KEY_HEADER = `${SSE}-bucket-key-enabled`
export const SSE_KMS_HEADERS: readonly string[] = [KEY_ID_HEADER, CONTEXT_HEADER, BUCKET_KEY_HEADER]

/** AWS KMS, "Encryption context": at most 8,192 characters of JSON. */
const CONTEXT_BYTES_MAX = 8192
/** What Coffer and AWS add themselves; in capitals too, as policies ask for names without regard to case. */
const RESERVED_CONTEXT_KEY = /^(?:aws|coffer):/i
const KEY_ID_CHARACTERS_MAX = 2048
/** AWS KMS API Reference, "KeyId": a key id, an alias, or the ARN of one; Coffer's own name is `key` or `connector/key`. */
const KEY_ARN = /^arn:aws[a-z-]*:kms:([a-z0-9-]*):(\d{0,12}):(?:key\/(.+)|(alias\/.+))$/
const KEY_NAME = /^(?:(?:[A-Za-z0-9._-]{1,64}\/)?[A-Za-z0-9._-]{1,64}|alias\/[A-Za-z0-9/_-]{1,250})$/

/** What x-amz-server-side-encryption says for either. */
export const KMS_ALGORITHMS = { 'aws:kms': 'SSE-KMS', 'aws:kms:dsse': 'DSSE-KMS' } as const
export type KmsAlgorithm = keyof typeof KMS_ALGORITHMS

export function isKmsAlgorithm(algorithm: string | undefined): algorithm is KmsAlgorithm {
  return algorithm !== undefined && Object.hasOwn(KMS_ALGORITHMS, algorithm)
}

/** The SSE-KMS headers of a write. InvalidArgument; KMS.NotFoundException for an impossible key id. */
export function parseSseKms(headers: Headers, algorithm: KmsAlgorithm): SseKmsRequest {
  const keyId = headers[KEY_ID_HEADER]
  const context = headers[CONTEXT_HEADER]
  const bucketKey = headers[BUCKET_KEY_HEADER]
  if (keyId !== undefined) masterKeyNameOf(keyId)
  const bucketKeyEnabled = bucketKey === undefined ? undefined : parseBucketKeyEnabled(bucketKey)
  if (bucketKey !== undefined && bucketKeyEnabled && algorithm === 'aws:kms:dsse') {
    throw invalidArgument(BUCKET_KEY_HEADER, bucketKey, 'S3 Bucket Keys are not supported for DSSE-KMS.')
  }
  return {
    kind: KMS_ALGORITHMS[algorithm],
    ...(keyId !== undefined && { keyId }),
    ...(context !== undefined && { encryptionContext: parseEncryptionContext(context) }),
    ...(bucketKeyEnabled !== undefined && { bucketKeyEnabled }),
  }
}

/** What a key id, alias or ARN says. */
export interface MasterKeyNamed {
  /** Of an ARN. */
  readonly accountId?: string
  readonly region?: string
  /** `key`, `connector/key` or `alias/x`. */
  readonly name: string
}

/** The name alone: whose an alias is, it does not tell. KMS.NotFoundException where it can't name any key. */
export function masterKeyNameOf(keyId: string): string {
  return parseMasterKey(keyId).name
}

/** KMS.NotFoundException. */
export function parseMasterKey(keyId: string): MasterKeyNamed {
  const [, region, accountId, keyOfArn, aliasOfArn] =
    (keyId.length <= KEY_ID_CHARACTERS_MAX && KEY_ARN.exec(keyId)) || []
  const name = keyOfArn ?? aliasOfArn ?? keyId
  if (KEY_NAME.test(name)) return { name, ...(accountId && { accountId }), ...(region && { region }) }
  throw s3Error('KMS.NotFoundException', { message: `Invalid keyId '${keyId.slice(0, KEY_NAME_SHOWN_MAX)}'` })
}

const KEY_NAME_SHOWN_MAX = 200

/** S3 API, PutObject, x-amz-server-side-encryption-context: base64 of a JSON object of strings. */
function parseEncryptionContext(value: string): Record<string, string> {
  const bytes = Buffer.from(value, 'base64')
  const context = bytes.length <= CONTEXT_BYTES_MAX ? parseJson(bytes.toString()) : undefined
  const isMap =
    typeof context === 'object' &&
    context !== null &&
    !Array.isArray(context) &&
    Object.entries(context).every(([key, text]) => typeof text === 'string' && !RESERVED_CONTEXT_KEY.test(key))
  if (isMap) return context as Record<string, string>
  throw invalidArgument(
    CONTEXT_HEADER,
    value.slice(0, KEY_NAME_SHOWN_MAX),
    `The header '${CONTEXT_HEADER}' shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map`,
  )
}

function parseBucketKeyEnabled(value: string): boolean {
  const lower = value.toLowerCase()
  if (lower === 'true' || lower === 'false') return lower === 'true'
  throw invalidArgument(BUCKET_KEY_HEADER, value, `${BUCKET_KEY_HEADER} must be true or false.`)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
