import { cofferError } from '../errors.ts'

export interface RoleLogin {
  readonly endpoint: string
  readonly roleArn: string
  readonly sessionName: string
  readonly durationSeconds?: number
}

/** Short-lived credentials, as AWS clients take them. */
export interface SessionCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken: string
  /** ISO 8601. */
  readonly expiration: string
}

const TIMEOUT_MS = 30_000
const ANSWER_CHARACTERS_MAX = 64 * 1024

/** Changes an identity token for credentials (STS API, AssumeRoleWithWebIdentity). COFFER_REQUEST_REFUSED. */
export async function assumeRoleWithToken(role: RoleLogin, idToken: string): Promise<SessionCredentials> {
  const form = new URLSearchParams({
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    RoleArn: role.roleArn,
    RoleSessionName: role.sessionName,
    WebIdentityToken: idToken,
    ...(role.durationSeconds !== undefined && { DurationSeconds: String(role.durationSeconds) }),
  })
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  const answer = await fetch(`${role.endpoint}/`, { method: 'POST', body: form, redirect: 'error', signal }).catch(
    (cause: unknown) => {
      const { endpoint: url } = role
      throw cofferError('COFFER_REQUEST_REFUSED', `${url} cannot be reached`, { url }, { cause })
    },
  )
  const text = (await answer.text()).slice(0, ANSWER_CHARACTERS_MAX)
  if (!answer.ok) {
    throw cofferError('COFFER_REQUEST_REFUSED', `${textOf(text, 'Code') || answer.status}: ${textOf(text, 'Message')}`)
  }
  const credentials = {
    accessKeyId: textOf(text, 'AccessKeyId'),
    secretAccessKey: textOf(text, 'SecretAccessKey'),
    sessionToken: textOf(text, 'SessionToken'),
    expiration: textOf(text, 'Expiration'),
  }
  if (Object.values(credentials).includes('')) {
    throw cofferError('COFFER_REQUEST_REFUSED', 'the answer holds no credentials')
  }
  return credentials
}

/** Credentials, codes and dates: nothing in them is ever escaped; a message may be, which a person can read. */
function textOf(document: string, name: string): string {
  return new RegExp(`<${name}>([^<]*)</${name}>`).exec(document)?.[1] ?? ''
}
