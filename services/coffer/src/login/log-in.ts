import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { platform } from 'node:os'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { print, printJson } from '../cli/print.ts'
import { cofferError } from '../errors.ts'
import { assumeRoleWithToken, type RoleLogin, type SessionCredentials } from './assume-role.ts'
import { CredentialCache, isFresh } from './credential-cache.ts'
import {
  type IdentityToken,
  type ProviderLogin,
  tokenByBrowser,
  tokenByDevice,
  tokenByRefresh,
} from './identity-token.ts'

export interface LoginFlags {
  readonly endpoint: string
  readonly issuer: string
  readonly clientId: string
  readonly roleArn: string
  readonly scope: string
  readonly sessionName: string
  readonly durationSeconds?: number
  readonly device?: boolean
  readonly browser: boolean
  readonly format: 'env' | 'process' | 'json'
  readonly caFile?: string
  readonly cache: boolean
}

/** Logs in, or takes the login of before, and prints credentials. COFFER_LOGIN_FAILED, COFFER_REQUEST_REFUSED, WEB_IDENTITY_... */
export async function logIn(flags: LoginFlags): Promise<void> {
  await trust(flags.caFile ?? process.env.AWS_CA_BUNDLE)
  const { issuer, clientId, scope, roleArn, sessionName, durationSeconds } = flags
  const provider: ProviderLogin = { issuer, clientId, scope }
  const role: RoleLogin = {
    endpoint: checkedEndpoint(flags.endpoint),
    roleArn,
    sessionName,
    ...(durationSeconds !== undefined && { durationSeconds }),
  }
  const cache = flags.cache ? new CredentialCache({ ...provider, ...role }) : undefined
  show(await credentialsFor(provider, role, cache, flags), flags.format)
}

async function credentialsFor(
  provider: ProviderLogin,
  role: RoleLogin,
  cache: CredentialCache | undefined,
  flags: LoginFlags,
): Promise<SessionCredentials> {
  const cached = await cache?.find()
  if (cached && isFresh(cached, Date.now())) return cached.credentials
  const renewed = cached?.refreshToken && (await tokenByRefresh(provider, cached.refreshToken))
  const token: IdentityToken = renewed || (await tokenByPerson(provider, flags))
  const credentials = await assumeRoleWithToken(role, token.idToken)
  const { refreshToken } = token
  await cache?.put({ credentials, ...(refreshToken !== undefined && { refreshToken }) })
  return credentials
}

function tokenByPerson(provider: ProviderLogin, flags: LoginFlags): Promise<IdentityToken> {
  if (flags.device) return tokenByDevice(provider, tell)
  return tokenByBrowser(provider, (address) => {
    tell(`Log in at ${address}`)
    if (flags.browser) openBrowser(address)
  })
}

function tell(text: string): void {
  process.stderr.write(`${text}\n`)
}

/** The address is an argument of its own, never a shell's text. A machine without such a program has the printed line. */
function openBrowser(address: string): void {
  const program = platform() === 'darwin' ? 'open' : 'xdg-open'
  const child = spawn(program, [address], { stdio: 'ignore', detached: true })
  child.on('error', () => {})
  child.unref()
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
