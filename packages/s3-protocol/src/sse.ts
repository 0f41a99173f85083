import { hash, timingSafeEqual } from 'node:crypto'
import { invalidArgument, s3Error } from './errors.ts'
import { hasMd5 } from './etag-hash.ts'
import { isKmsAlgorithm, parseSseKms, SSE_KMS_HEADERS, type SseKmsRequest } from './sse-kms.ts'

/** What a request says of server-side encryption. */
export type SseRequest =
  | { readonly kind: 'default' }
  | { readonly kind: 'SSE-S3' }
  | SseKmsRequest
  | {
      readonly kind: 'SSE-C'
      /** 32 bytes. */
      readonly key: Uint8Array
      /** Base64. */
      readonly keyMd5: string
    }

type Headers = Readonly<Record<string, string | undefined>>

const SSE = 'x-amz-server-side-encryption'
const KEY_MD5_BYTES = 16
const CUSTOMER_KEY_BYTES = 32
const COPY_SOURCE_SSE = 'x-amz-copy-source-server-side-encryption'
const CUSTOMER_HEADERS = customerHeaders(SSE)
const COPY_SOURCE_HEADERS = customerHeaders(COPY_SOURCE_SSE)

/**
 * Reads the encryption headers of a write, of a read (or a part), or of the source of a copy. What is not understood or not
 * possible fails the request: nothing is ever stored in the clear, or under another key, because a header was passed over.
 */
export function parseSseRequest(headers: Headers, secure: boolean, use: 'write' | 'read' | 'copy-source'): SseRequest {
  assertAllKnown(headers)
  if (use === 'write') assertOneKind(headers)
  const customer = parseCustomerKey(headers, secure, use === 'copy-source' ? COPY_SOURCE_SSE : SSE)
  if (use === 'copy-source') return customer ?? { kind: 'default' }
  const algorithm = headers[SSE]
  if (use === 'read') {
    if (algorithm !== undefined || SSE_KMS_HEADERS.some((name) => headers[name] !== undefined)) {
      throw s3Error('InvalidArgument', {
        message: `${SSE} header is not supported for this operation.`,
        details: { ArgumentName: SSE, ArgumentValue: algorithm ?? '' },
      })
    }
    return customer ?? { kind: 'default' }
  }
  return parseWrite(headers, algorithm, customer)
}

function customerHeaders(prefix: string): readonly string[] {
  return [`${prefix}-customer-algorithm`, `${prefix}-customer-key`, `${prefix}-customer-key-md5`]
}

/** A header of these families that we do not know asks for something that we would not do. */
function assertAllKnown(headers: Headers): void {
  for (const name in headers) {
    const known = name.startsWith(SSE)
      ? name === SSE || SSE_KMS_HEADERS.includes(name) || CUSTOMER_HEADERS.includes(name)
      : !name.startsWith(COPY_SOURCE_SSE) || COPY_SOURCE_HEADERS.includes(name)
    if (!known) throw invalidArgument(name, '', 'An encryption header of the request is not known.')
  }
}

function assertOneKind(headers: Headers): void {
  const algorithm = headers[SSE]
  if (algorithm === undefined || CUSTOMER_HEADERS.every((name) => headers[name] === undefined)) return
  throw invalidArgument(
    SSE,
    algorithm,
    'Server Side Encryption with Customer provided key is incompatible with the encryption method specified',
  )
}

function parseWrite(headers: Headers, algorithm: string | undefined, customer: SseRequest | undefined): SseRequest {
  if (isKmsAlgorithm(algorithm)) return parseSseKms(headers, algorithm)
  if (algorithm !== undefined && algorithm !== 'AES256') {
    throw s3Error('InvalidArgument', {
      message: 'The encryption method specified is not supported',
      details: { ArgumentName: SSE, ArgumentValue: algorithm },
    })
  }
  const kmsHeader = SSE_KMS_HEADERS.find((name) => headers[name] !== undefined)
  if (kmsHeader !== undefined) {
    throw invalidArgument(
      kmsHeader,
      headers[kmsHeader] ?? '',
      `${kmsHeader} is only possible together with the encryption methods aws:kms and aws:kms:dsse.`,
    )
  }
  return customer ?? { kind: algorithm === undefined ? 'default' : 'SSE-S3' }
}

/**
 * S3 User Guide, "Using server-side encryption with customer-provided keys": algorithm, key and the key's MD5, all three. Whatever is wrong,
 * AWS names x-amz-server-side-encryption as the argument (recorded by LocalStack, test_put_object_validation_sse_c).
 */
function parseCustomerKey(headers: Headers, secure: boolean, prefix: string): SseRequest | undefined {
  const algorithm = headers[`${prefix}-customer-algorithm`]
  const key64 = headers[`${prefix}-customer-key`]
  const keyMd5 = headers[`${prefix}-customer-key-md5`]
  if (algorithm === undefined && key64 === undefined && keyMd5 === undefined) return undefined
  if (!secure) {
    throw s3Error('InvalidRequest', {
      message:
        'Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection.',
    })
  }
  if (algorithm === undefined) throw missing('a valid encryption algorithm')
  if (algorithm !== 'AES256') {
    throw s3Error('InvalidEncryptionAlgorithmError', {
      message: 'The encryption request you specified is not valid. Supported value: AES256.',
      details: { ArgumentName: SSE, ArgumentValue: algorithm },
    })
  }
  if (key64 === undefined) throw missing('an appropriate secret key')
  if (keyMd5 === undefined) throw missing('the client calculated MD5 of the secret key')
  const key = Buffer.from(key64, 'base64')
  if (key.length !== CUSTOMER_KEY_BYTES || key.toString('base64') !== key64) {
    throw s3Error('InvalidArgument', {
      message: 'The secret key was invalid for the specified algorithm.',
      details: { ArgumentName: SSE },
    })
  }
  return { kind: 'SSE-C', key, keyMd5: checkedMd5(key, keyMd5) }
}

/** The MD5 of the key in our own base64: it goes into the response. */
function checkedMd5(key: Uint8Array, keyMd5: string): string {
  const given = Buffer.from(keyMd5, 'base64')
  // FIPS mode has no MD5: a key that was damaged on its way would have had to pass the integrity check of TLS.
  const computed = hasMd5() ? hash('md5', key, 'buffer') : given
  if (given.length !== KEY_MD5_BYTES || !timingSafeEqual(given, computed)) {
    throw s3Error('InvalidArgument', {
      message: 'The calculated MD5 hash of the key did not match the hash that was provided.',
      details: { ArgumentName: SSE },
    })
  }
  return computed.toString('base64')
}

function missing(what: string) {
  return s3Error('InvalidArgument', {
    message: `Requests specifying Server Side Encryption with Customer provided keys must provide ${what}.`,
    details: { ArgumentName: SSE },
  })
}
