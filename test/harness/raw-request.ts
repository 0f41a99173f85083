import { readFileSync } from 'node:fs'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { type Agent, request as httpsRequest } from 'node:https'
import type { ClientTarget } from './s3.ts'
import { queryString, type Seed, type SigningKeys, sha256Hex, signHeaders } from './sigv4-client.ts'

export interface RawRequest {
  readonly method: string
  /** Percent-encoded, as it goes on the wire. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  /** A connection to reuse; by default each request has its own. */
  readonly agent?: Agent
}

export interface RawSigning {
  readonly keys?: SigningKeys
  readonly date?: Date
  readonly region?: string
  /** Default: s3. */
  readonly service?: string
  /** Default: the true hash of the body. */
  readonly payloadHash?: string
  readonly unsignedHeaders?: readonly string[]
  /** Changes the headers after they were signed. */
  readonly tamper?: (headers: Record<string, string>) => void
  /** Makes the body from the seed signature (chunked uploads). */
  readonly chunked?: (seed: Seed) => Buffer
}

export interface RawResponse {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
  /** `<Code>` of an error document; '' where there is none. */
  readonly code: string
}

/** Sends exactly these headers and bytes. */
export async function send(target: ClientTarget, raw: RawRequest): Promise<RawResponse> {
  const secure = target.endpoint.startsWith('https:')
  const url = new URL(target.endpoint)
  const query = queryString(raw.query ?? {})
  const options = {
    host: url.hostname,
    port: url.port,
    method: raw.method,
    path: query === '' ? raw.path : `${raw.path}?${query}`,
    headers: { host: url.host, ...raw.headers },
    agent: raw.agent ?? (false as const),
    // Without an agent a test may send any Host: the CA is checked, the name is not. Node never reuses such a connection.
    ...(secure && raw.agent === undefined && { ca: readFileSync(target.caFile), checkServerIdentity: () => undefined }),
  }
  return await new Promise((resolve, reject) => {
    const request = (secure ? httpsRequest : httpRequest)(options, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const body = Buffer.concat(chunks)
        const code = /<Code>([^<]*)<\/Code>/.exec(body.toString('latin1'))?.[1] ?? ''
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body, code })
      })
    })
    request.setTimeout(60_000, () => request.destroy(new Error('no answer')))
    request.on('error', reject)
    request.end(raw.body)
  })
}

/** Signs as told (by default correctly, with the target's keys) and sends. */
export async function sendSigned(
  target: ClientTarget,
  raw: RawRequest,
  signing: RawSigning = {},
): Promise<RawResponse> {
  const plain = raw.body ?? ''
  const unsigned = {
    method: raw.method,
    path: raw.path,
    query: raw.query ?? {},
    headers: { host: new URL(target.endpoint).host, ...raw.headers },
    payloadHash: signing.payloadHash ?? sha256Hex(plain),
  }
  const { headers, seed } = signHeaders(unsigned, signing.keys ?? target, signing)
  signing.tamper?.(headers)
  const body = signing.chunked?.(seed) ?? plain
  const lengthHeader =
    body.length > 0 && headers['transfer-encoding'] === undefined
      ? { 'content-length': String(Buffer.byteLength(body)) }
      : {}
  return await send(target, { ...raw, headers: { ...lengthHeader, ...headers }, body })
}
