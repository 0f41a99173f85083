import { readFile } from 'node:fs/promises'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { print, printJson } from '../cli/print.ts'
import { cofferError } from '../errors.ts'
import { CredentialCache, isFresh } from './credential-cache.ts'
import { wayOf } from './login-ways.ts'
import type { RoleLogin, SessionCredentials } from './request-credentials.ts'

export interface LoginFlags {
  readonly endpoint: string
  readonly issuer?: string
  readonly clientId?: string
  readonly scope: string
  readonly device?: boolean
  readonly browser: boolean
  readonly clientCert?: string
  readonly clientKey?: string
  readonly ldap?: boolean
  readonly username?: string
  readonly passwordFile?: string
  readonly roleArn?: string
  readonly sessionName?: string
  readonly durationSeconds?: number
  readonly format: 'env' | 'process' | 'json'
  readonly caFile?: string
  readonly cache: boolean
}

/** Logs in, or takes the login of before, and prints credentials. COFFER_LOGIN_FAILED, COFFER_REQUEST_REFUSED, WEB_IDENTITY_... */
export async function logIn(flags: LoginFlags): Promise<void> {
  await trust(flags.caFile ?? process.env.AWS_CA_BUNDLE)
  const way = wayOf(flags)
  const { roleArn, sessionName = way.sessionName, durationSeconds } = flags
  const role: RoleLogin = { endpoint: checkedEndpoint(flags.endpoint), roleArn, sessionName, durationSeconds }
  const parts = [...way.identity, role.endpoint, roleArn, sessionName, durationSeconds]
  const cache = flags.cache ? new CredentialCache(parts) : undefined
  const cached = await cache?.find()
  if (cached && isFresh(cached, Date.now())) {
    show(cached.credentials, flags.format)
    return
  }
  const login = await way.logIn(role, cached)
  await cache?.put(login)
  show(login.credentials, flags.format)
}

function show(credentials: SessionCredentials, format: LoginFlags['format']): void {
  const { accessKeyId, secretAccessKey, sessionToken, expiration } = credentials
  if (format === 'json') printJson(credentials)
  else if (format === 'process') {
    // AWS SDKs and Tools Reference Guide, "Process credential provider".
    printJson({
      Version: 1,
      AccessKeyId: accessKeyId,
      SecretAccessKey: secretAccessKey,
      SessionToken: sessionToken,
      Expiration: expiration,
    })
  } else {
    print(
      [
        `export AWS_ACCESS_KEY_ID=${accessKeyId}`,
        `export AWS_SECRET_ACCESS_KEY=${secretAccessKey}`,
        `export AWS_SESSION_TOKEN=${sessionToken}`,
        `export AWS_CREDENTIAL_EXPIRATION=${expiration}`,
      ].join('\n'),
    )
  }
}

/** Tokens and credentials travel over TLS only. */
function checkedEndpoint(text: string): string {
  const url = URL.parse(text)
  if (url?.protocol === 'https:' && url.pathname === '/' && url.username === '') return url.origin
  throw cofferError('COFFER_ENDPOINT_INVALID', `${text} is not of the form https://host:port`)
}

async function trust(caFile: string | undefined): Promise<void> {
  if (!caFile) return
  setDefaultCACertificates([...getCACertificates('default'), await readFile(caFile, 'utf8')])
}
