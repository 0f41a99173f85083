import { spawn } from 'node:child_process'
import { createPrivateKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { platform, userInfo } from 'node:os'
import { cofferError } from '../errors.ts'
import { passwordFrom } from './ask-password.ts'
import type { ClientCertificate } from './ask-sts.ts'
import type { CachedLogin } from './credential-cache.ts'
import type { IdentityToken } from './identity-token.ts'
import type { LoginFlags } from './log-in.ts'
import { isTokenEnded, type RoleLogin, requestCredentials } from './request-credentials.ts'

/** One way to show who one is. */
export interface LoginWay {
  /** What a kept login is found by, beside server and role. No secret. */
  readonly identity: readonly unknown[]
  /** Where the flags give none. Absent: the server knows one. */
  readonly sessionName?: string
  /** `cached`: the login of before, whose credentials have ended. */
  logIn(role: RoleLogin, cached: CachedLogin | undefined): Promise<CachedLogin>
}

/** The one way that the flags say. COFFER_LOGIN_FAILED where they say none or several. */
export function wayOf(flags: LoginFlags): LoginWay {
  const ways = [
    ...(flags.issuer !== undefined || flags.clientId !== undefined ? [byProvider(flags)] : []),
    ...(flags.clientCert !== undefined || flags.clientKey !== undefined ? [byCertificate(flags)] : []),
    ...(flags.ldap ? [byDirectory(flags)] : []),
  ]
  const [way, ...more] = ways
  if (way !== undefined && more.length === 0) return way
  throw cofferError(
    'COFFER_LOGIN_FAILED',
    'one way is needed: --issuer and --client-id, --client-cert and --client-key, or --ldap',
  )
}

function byProvider({ issuer, clientId, scope, roleArn, device, browser }: LoginFlags): LoginWay {
  if (issuer === undefined || clientId === undefined || roleArn === undefined) {
    throw cofferError('COFFER_LOGIN_FAILED', 'a provider needs --issuer, --client-id and --role-arn')
  }
  const provider = { issuer, clientId, scope }
  return {
    identity: [issuer, clientId, scope],
    sessionName: localName(),
    async logIn(role, cached) {
      // The OpenID Connect library is loaded by who needs it.
      const { tokenByBrowser, tokenByDevice, tokenByRefresh } = await import('./identity-token.ts')
      const renewed = cached?.refreshToken && (await tokenByRefresh(provider, cached.refreshToken))
      const byPerson = () =>
        device
          ? tokenByDevice(provider, tell)
          : tokenByBrowser(provider, (address) => {
              tell(`Log in at ${address}`)
              if (browser) openBrowser(address)
            })
      const change = async ({ idToken, refreshToken }: IdentityToken): Promise<CachedLogin> => {
        const proof = { WebIdentityToken: idToken }
        const credentials = await requestCredentials(role, 'AssumeRoleWithWebIdentity', proof)
        return { credentials, ...(refreshToken !== undefined && { refreshToken }) }
      }
      if (!renewed) return await change(await byPerson())
      // Whoever has logged out at the provider since has to log in there, whatever can still be renewed.
      return await change(renewed).catch(async (error: unknown) => {
        if (!isTokenEnded(error)) throw error
        return await change(await byPerson())
      })
    },
  }
}

function byCertificate({ clientCert, clientKey }: LoginFlags): LoginWay {
  if (clientCert === undefined || clientKey === undefined) {
    throw cofferError('COFFER_LOGIN_FAILED', 'a certificate needs --client-cert and --client-key')
  }
  return {
    identity: ['certificate', clientCert],
    logIn: async (role) => ({
      credentials: await requestCredentials(
        role,
        'AssumeRoleWithCertificate',
        {},
        await readCertificate(clientCert, clientKey),
      ),
    }),
  }
}

function byDirectory({ username = userInfo().username, passwordFile }: LoginFlags): LoginWay {
  return {
    identity: ['ldap', username],
    async logIn(role) {
      const LDAPPassword = await passwordFrom(passwordFile, `Password of ${username}: `)
      const proof = { LDAPUsername: username, LDAPPassword }
      return { credentials: await requestCredentials(role, 'AssumeRoleWithLDAPIdentity', proof) }
    },
  }
}

/** COFFER_LOGIN_FAILED. */
async function readCertificate(certPath: string, keyPath: string): Promise<ClientCertificate> {
  const [cert, key] = await Promise.all([certPath, keyPath].map((path) => readPem(path)))
  try {
    createPrivateKey(key ?? '')
  } catch {
    throw cofferError('COFFER_LOGIN_FAILED', `${keyPath} holds no private key that is not encrypted`, { path: keyPath })
  }
  return { cert: cert ?? '', key: key ?? '' }
}

async function readPem(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch((cause: unknown) => {
    throw cofferError('COFFER_LOGIN_FAILED', `${path} cannot be read`, { path }, { cause })
  })
}

const SESSION_NAME = /^[\w+=,.@-]{2,64}$/

function localName(): string {
  const name = userInfo().username
  return SESSION_NAME.test(name) ? name : 'coffer-login'
}

/** On standard error: standard output is for credentials. */
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
