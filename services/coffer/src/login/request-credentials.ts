import { request } from 'node:https'
import { text } from 'node:stream/consumers'
import { cofferError } from '../errors.ts'

/** Whose credentials, from which server. */
export interface RoleLogin {
  readonly endpoint: string
  /** Absent: the server's rules say which, where a login can do without. */
  readonly roleArn?: string | undefined
  readonly sessionName?: string | undefined
  readonly durationSeconds?: number | undefined
}

/** Short-lived credentials, as AWS clients take them. */
export interface SessionCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken: string
  /** ISO 8601. */
  readonly expiration: string
}

/** PEM. */
export interface ClientCertificate {
  readonly cert: string
  readonly key: string
}

const TIMEOUT_MS = 30_000
const ANSWER_CHARACTERS_MAX = 64 * 1024

/** Changes a proof of who one is for credentials (STS API, AssumeRoleWith...). COFFER_REQUEST_REFUSED. */
export async function requestCredentials(
  { endpoint, roleArn, sessionName, durationSeconds }: RoleLogin,
  action: string,
  proof: Readonly<Record<string, string>> = {},
  certificate?: ClientCertificate,
): Promise<SessionCredentials> {
  const form = new URLSearchParams({
    Action: action,
    Version: '2011-06-15',
    ...proof,
    ...(roleArn !== undefined && { RoleArn: roleArn }),
    ...(sessionName !== undefined && { RoleSessionName: sessionName }),
    ...(durationSeconds !== undefined && { DurationSeconds: String(durationSeconds) }),
  })
  const { status, body } = await post(endpoint, form.toString(), certificate).catch((cause: unknown) => {
    const details = { url: endpoint }
    throw cofferError('COFFER_REQUEST_REFUSED', `${endpoint} cannot be reached`, details, { cause })
  })
  const answer = body.slice(0, ANSWER_CHARACTERS_MAX)
  if (status !== 200) {
    throw cofferError('COFFER_REQUEST_REFUSED', `${textOf(answer, 'Code') || status}: ${textOf(answer, 'Message')}`)
  }
  const credentials = {
    accessKeyId: textOf(answer, 'AccessKeyId'),
    secretAccessKey: textOf(answer, 'SecretAccessKey'),
    sessionToken: textOf(answer, 'SessionToken'),
    expiration: textOf(answer, 'Expiration'),
  }
  if (Object.values(credentials).includes('')) {
    throw cofferError('COFFER_REQUEST_REFUSED', 'the answer holds no credentials')
  }
  return credentials
}

/** No redirects: a proof goes to the server that was named. */
function post(endpoint: string, form: string, certificate: ClientCertificate | undefined) {
  return new Promise<{ readonly status: number; readonly body: string }>((resolve, reject) => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': Buffer.byteLength(form) }
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    const sent = request(`${endpoint}/`, { method: 'POST', headers, agent: false, signal, ...certificate })
    sent.once('error', reject)
    sent.once('response', (response) => {
      text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject)
    })
    sent.end(form)
  })
}

/** Credentials, codes and dates: nothing in them is ever escaped; a message may be, which a person can read. */
function textOf(document: string, name: string): string {
  return new RegExp(`<${name}>([^<]*)</${name}>`).exec(document)?.[1] ?? ''
}
