import { print, printJson } from '../cli/print.ts'
import { CredentialCache, isFresh } from './credential-cache.ts'
import { wayOf } from './login-ways.ts'
import { areStillGood, type RoleLogin, type SessionCredentials } from './request-credentials.ts'
import { checkedEndpoint, trust } from './trust-server.ts'

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
  await trust(flags.caFile)
  const way = wayOf(flags)
  const { roleArn, sessionName = way.sessionName, durationSeconds } = flags
  const role: RoleLogin = { endpoint: checkedEndpoint(flags.endpoint), roleArn, sessionName, durationSeconds }
  const parts = [...way.identity, role.endpoint, roleArn, sessionName, durationSeconds]
  const cache = flags.cache ? CredentialCache.of(parts) : undefined
  const cached = await cache?.find()
  // Who has logged out at the provider is asked anew, not given what has ended.
  if (cached && isFresh(cached, Date.now()) && (await areStillGood(role.endpoint, cached.credentials))) {
    show(cached.credentials, flags.format)
    return
  }
  const login = await way.logIn(role, cached)
  const { issuer, clientId } = flags
  const at = { endpoint: role.endpoint, ...(issuer && { issuer }), ...(clientId && { clientId }) }
  await cache?.put({ ...login, at })
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
