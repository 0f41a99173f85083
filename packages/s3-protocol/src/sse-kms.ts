import { invalidArgument, s3Error } from './errors.ts'

/** SSE-KMS: an object key sealed under a master key that the client names. */
export interface SseKmsRequest {
  readonly kind: 'SSE-KMS'
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
/** What Coffer and AWS add themselves. */
const RESERVED_CONTEXT_KEY = /^(?:aws|coffer):/
const KEY_ID_CHARACTERS_MAX = 2048
/** AWS KMS API Reference, "KeyId": a key id, an alias, or the ARN of one; Coffer's own name is `key` or `connector/key`. */
const KEY_ARN = /^arn:aws[a-z-]*:kms:[a-z0-9-]*:\d{0,12}:(?:key\/(.+)|(alias\/.+))$/
const KEY_NAME = /^(?:(?:[A-Za-z0-9._-]{1,64}\/)?[A-Za-z0-9._-]{1,64}|alias\/[A-Za-z0-9/_-]{1,250})$/

/** The SSE-KMS headers of a write whose algorithm is aws:kms. InvalidArgument; KMS.NotFoundException for an impossible key id. */
export function parseSseKms(headers: Headers): SseKmsRequest {
  const keyId = headers[KEY_ID_HEADER]
  const context = headers[CONTEXT_HEADER]
  const bucketKey = headers[BUCKET_KEY_HEADER]
  if (keyId !== undefined) masterKeyNameOf(keyId)
  return {
    kind: 'SSE-KMS',
    ...(keyId !== undefined && { keyId }),
    ...(context !== undefined && { encryptionContext: parseEncryptionContext(context) }),
    ...(bucketKey !== undefined && { bucketKeyEnabled: parseBucketKeyEnabled(bucketKey) }),
  }
}

/** The master key that a key id, alias or ARN names: `key`, `connector/key` or `alias/x`. KMS.NotFoundException where it can't name any. */
export function masterKeyNameOf(keyId: string): string {
  const [, keyOfArn, aliasOfArn] = (keyId.length <= KEY_ID_CHARACTERS_MAX && KEY_ARN.exec(keyId)) || []
  const name = keyOfArn ?? aliasOfArn ?? keyId
  if (KEY_NAME.test(name)) return name
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
