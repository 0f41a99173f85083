import { createHash, createHmac } from 'node:crypto'
import { request } from 'node:https'
import { text } from 'node:stream/consumers'
import { canonicalRequest, deriveSigningKey } from '@coffer/s3-protocol'
import { cofferError } from '../errors.ts'
import type { SessionCredentials } from './request-credentials.ts'

/** PEM. */
export interface ClientCertificate {
  readonly cert: string
  readonly key: string
}

/** How the server is to know who asks. */
export interface Proof {
  readonly certificate?: ClientCertificate | undefined
  readonly credentials?: SessionCredentials
}

const TIMEOUT_MS = 30_000
const ANSWER_CHARACTERS_MAX = 64 * 1024
const VERSION = '2011-06-15'
/** STS is of no region: any does. */
const REGION = 'us-east-1'

/**
 * Asks the server's STS API; answers the document. COFFER_REQUEST_REFUSED, with the API's code as `code` of its details where the server
 * answered.
 */
export async function askSts(
  endpoint: string,
  parameters: Readonly<Record<string, string>>,
  proof: Proof = {},
): Promise<string> {
  const form = new URLSearchParams({ Version: VERSION, ...parameters }).toString()
  const { status, body } = await post(endpoint, form, proof).catch((cause: unknown) => {
    throw cofferError('COFFER_REQUEST_REFUSED', `${endpoint} cannot be reached`, { url: endpoint }, { cause })
  })
  const answer = body.slice(0, ANSWER_CHARACTERS_MAX)
  if (status === 200) return answer
  const code = textOf(answer, 'Code') || String(status)
  throw cofferError('COFFER_REQUEST_REFUSED', `${code}: ${textOf(answer, 'Message')}`, { code })
}

/** Credentials, codes and dates: nothing in them is ever escaped; a message may be, which a person can read. */
export function textOf(document: string, name: string): string {
  return new RegExp(`<${name}>([^<]*)</${name}>`).exec(document)?.[1] ?? ''
}

/** No redirects: a proof goes to the server that was named. */
function post(endpoint: string, form: string, { certificate, credentials }: Proof) {
  return new Promise<{ readonly status: number; readonly body: string }>((resolve, reject) => {
    const headers = {
      'content-type': 'application/x-www-form-urlencoded',
      ...(credentials && signatureOf(endpoint, form, credentials)),
      'content-length': Buffer.byteLength(form),
    }
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    const sent = request(`${endpoint}/`, { method: 'POST', headers, agent: false, signal, ...certificate })
    sent.once('error', reject)
    sent.once('response', (response) => {
      text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject)
    })
    sent.end(form)
  })
}

/** AWS General Reference, "Create a signed AWS API request". */
function signatureOf(endpoint: string, form: string, credentials: SessionCredentials): Record<string, string> {
  const timestamp = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
  const date = timestamp.slice(0, 8)
  const signed = {
    host: new URL(endpoint).host,
    'x-amz-date': timestamp,
    'x-amz-security-token': credentials.sessionToken,
  }
  const names = Object.keys(signed)
  const request = { method: 'POST', rawPath: '/', rawQuery: '', headers: signed }
  const canonical = canonicalRequest(request, names, sha256(form), { presigned: false })
  const scope = `${date}/${REGION}/sts/aws4_request`
  const key = deriveSigningKey(Buffer.from(credentials.secretAccessKey), date, REGION, 'sts')
  const toSign = ['AWS4-HMAC-SHA256', timestamp, scope, sha256(canonical)].join('\n')
  const signature = createHmac('sha256', key).update(toSign).digest('hex')
  const credential = `${credentials.accessKeyId}/${scope}`
  const authorization = `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names.join(';')}, Signature=${signature}`
  return { ...signed, authorization }
}

function sha256(part: string): string {
  return createHash('sha256').update(part).digest('hex')
}
