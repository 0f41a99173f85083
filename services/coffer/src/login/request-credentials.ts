import { isCofferError } from '@coffer/errors'
import { cofferError } from '../errors.ts'
import { askSts, type ClientCertificate, textOf } from './ask-sts.ts'

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

/** Changes a proof of who one is for credentials (STS API, AssumeRoleWith...). COFFER_REQUEST_REFUSED. */
export async function requestCredentials(
  { endpoint, roleArn, sessionName, durationSeconds }: RoleLogin,
  action: string,
  proof: Readonly<Record<string, string>> = {},
  certificate?: ClientCertificate,
): Promise<SessionCredentials> {
  const parameters = {
    Action: action,
    ...proof,
    ...(roleArn !== undefined && { RoleArn: roleArn }),
    ...(sessionName !== undefined && { RoleSessionName: sessionName }),
    ...(durationSeconds !== undefined && { DurationSeconds: String(durationSeconds) }),
  }
  const answer = await askSts(endpoint, parameters, { certificate })
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

/** What a server says of credentials that have ended, or of a role or user that is gone. */
const ENDED = ['ExpiredToken', 'InvalidClientTokenId', 'AccessDenied']
/** Of an identity token whose person has logged out since. */
const TOKEN_ENDED = ['ExpiredTokenException', 'InvalidIdentityToken']

/** Whether credentials that have not run out are still good. Of a server that does not answer that is not known: then they are. */
export async function areStillGood(endpoint: string, credentials: SessionCredentials): Promise<boolean> {
  try {
    await askSts(endpoint, { Action: 'GetCallerIdentity' }, { credentials })
    return true
  } catch (error) {
    return !isRefusedAs(error, ENDED)
  }
}

/** Ends them at the server; those that have ended already stay so. COFFER_REQUEST_REFUSED. */
export async function endSession(endpoint: string, credentials: SessionCredentials): Promise<void> {
  try {
    await askSts(endpoint, { Action: 'EndSession' }, { credentials })
  } catch (error) {
    if (!isRefusedAs(error, ENDED)) throw error
  }
}

export function isTokenEnded(error: unknown): boolean {
  return isRefusedAs(error, TOKEN_ENDED)
}

function isRefusedAs(error: unknown, codes: readonly string[]): boolean {
  return isCofferError(error, 'COFFER_REQUEST_REFUSED') && codes.includes(String(error.details.code))
}
