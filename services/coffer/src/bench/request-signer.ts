import { createHash, createHmac, randomBytes } from 'node:crypto'
import { insecureExportKeyBytes } from '@coffer/crypto-core'
import { deriveSigningKey } from '@coffer/s3-protocol'
import type { LoadRequest } from './load-connection.ts'
import type { LoadEndpoint, SseMode } from './load-options.ts'

/** S3 refuses a signature older than 15 minutes. */
const SIGNATURE_AGE_MS_MAX = 10 * 60_000

export interface UnsignedRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  /** Already percent-encoded. */
  readonly path: string
  /** Encoded and in the order that SigV4 wants. */
  readonly query?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer
  readonly keepsBody?: boolean
}

/**
 * Makes whole request heads, signed with SigV4 over `UNSIGNED-PAYLOAD` (AWS, "Authenticating Requests: Using the
 * Authorization Header"), and keeps those made under a name, so that a load of the same requests costs nothing to sign.
 */
export class RequestSigner {
  readonly #endpoint: LoadEndpoint
  readonly #host: string
  readonly #kept = new Map<string, LoadRequest>()
  #timestamp = ''
  #signedAt = 0
  #signingKey: Uint8Array = new Uint8Array(0)

  constructor(endpoint: LoadEndpoint) {
    this.#endpoint = endpoint
    this.#host = new URL(endpoint.url).host
  }

  /** The request kept under `name`, or the one that `make` gives, signed. */
  signed(name: string, make: () => UnsignedRequest): LoadRequest {
    if (Date.now() - this.#signedAt > SIGNATURE_AGE_MS_MAX) this.#renew()
    const kept = this.#kept.get(name)
    if (kept) return kept
    const request = this.sign(make())
    this.#kept.set(name, request)
    return request
  }

  sign(request: UnsignedRequest): LoadRequest {
    const headers = this.headersOf(request)
    const lines = headers.map(([name, value]) => `${name}:${value}\r\n`).join('')
    const target = request.query ? `${request.path}?${request.query}` : request.path
    const length = request.method === 'PUT' ? `content-length: ${request.body?.length ?? 0}\r\n` : ''
    const head = `${request.method} ${target} HTTP/1.1\r\n${lines}${length}\r\n`
    return {
      head: Buffer.from(head, 'latin1'),
      ...(request.body?.length && { body: request.body }),
      ...(request.keepsBody && { keepsBody: true }),
    }
  }

  /** All headers to send, with `authorization`. */
  headersOf(request: UnsignedRequest): readonly (readonly [name: string, value: string])[] {
    if (Date.now() - this.#signedAt > SIGNATURE_AGE_MS_MAX) this.#renew()
    const headers = Object.entries({
      ...request.headers,
      host: this.#host,
      'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
      'x-amz-date': this.#timestamp,
    }).sort(([a], [b]) => (a < b ? -1 : 1))
    const names = headers.map(([name]) => name).join(';')
    const lines = headers.map(([name, value]) => `${name}:${value}\n`).join('')
    const canonical = `${request.method}\n${request.path}\n${request.query ?? ''}\n${lines}\n${names}\nUNSIGNED-PAYLOAD`
    const scope = `${this.#timestamp.slice(0, 8)}/${this.#endpoint.region}/s3/aws4_request`
    const hash = createHash('sha256').update(canonical).digest('hex')
    const signature = createHmac('sha256', this.#signingKey)
      .update(`AWS4-HMAC-SHA256\n${this.#timestamp}\n${scope}\n${hash}`)
      .digest('hex')
    const authorization = `AWS4-HMAC-SHA256 Credential=${this.#endpoint.accessKeyId}/${scope},SignedHeaders=${names},Signature=${signature}`
    return [...headers, ['authorization', authorization]]
  }

  #renew(): void {
    this.#kept.clear()
    this.#signedAt = Date.now()
    this.#timestamp = new Date(this.#signedAt).toISOString().replace(/[-:]|\.\d+/g, '')
    const secret = insecureExportKeyBytes(this.#endpoint.secretAccessKey)
    this.#signingKey = deriveSigningKey(secret, this.#timestamp.slice(0, 8), this.#endpoint.region, 's3')
  }
}

/** Headers that ask for an encryption mode: when writing, and (customer keys only) when reading. */
export function sseHeaders(mode: SseMode): { write: Record<string, string>; read: Record<string, string> } {
  if (mode === 'none') return { write: {}, read: {} }
  if (mode === 's3') return { write: { 'x-amz-server-side-encryption': 'AES256' }, read: {} }
  const key = randomBytes(32)
  const headers = {
    'x-amz-server-side-encryption-customer-algorithm': 'AES256',
    'x-amz-server-side-encryption-customer-key': key.toString('base64'),
    'x-amz-server-side-encryption-customer-key-md5': createHash('md5').update(key).digest('base64'),
  }
  return { write: headers, read: headers }
}
