import { isCofferError } from '@coffer/errors'
import { print } from '../cli/print.ts'
import { cofferError } from '../errors.ts'
import { type CachedLogin, CredentialCache } from './credential-cache.ts'
import { endSession, type SessionCredentials } from './request-credentials.ts'
import { checkedEndpoint, trust } from './trust-server.ts'

export interface LogoutFlags {
  readonly endpoint?: string
  readonly caFile?: string
}

/**
 * Ends every login that is kept, or those at one server, and the credentials of the environment: at the server, at the provider where it
 * gave a refresh token, and here. COFFER_LOGOUT_INCOMPLETE where a server was not reached: that login stays, to be ended later.
 */
export async function logOut(flags: LogoutFlags): Promise<void> {
  await trust(flags.caFile)
  const endpoint = flags.endpoint === undefined ? undefined : checkedEndpoint(flags.endpoint)
  const failures: string[] = []
  let endedCount = 0
  const attempt = async (what: string, end: () => Promise<void>) => {
    try {
      await end()
      endedCount += 1
    } catch (error) {
      failures.push(`${what}: ${isCofferError(error) ? error.message : String(error)}`)
    }
  }
  for (const { login, cache } of await CredentialCache.all()) {
    const { at } = login
    if (endpoint !== undefined && at?.endpoint !== endpoint) continue
    await attempt(at?.endpoint ?? 'a login of an older version', async () => {
      if (at !== undefined) await endSession(at.endpoint, login.credentials)
      if (login.refreshToken !== undefined) await endRefresh(login, login.refreshToken)
      await cache.remove()
    })
  }
  const inEnvironment = environmentCredentials()
  if (endpoint !== undefined && inEnvironment !== undefined) {
    await attempt(`${endpoint}, the credentials of the environment`, () => endSession(endpoint, inEnvironment))
  }
  if (failures.length > 0) throw cofferError('COFFER_LOGOUT_INCOMPLETE', failures.join('; '))
  print(endedCount === 0 ? 'Nobody is logged in.' : `Logged out (${endedCount}).`)
}

async function endRefresh({ at }: CachedLogin, refreshToken: string): Promise<void> {
  if (at?.issuer === undefined || at.clientId === undefined) return
  const { revokeRefreshToken } = await import('./identity-token.ts')
  await revokeRefreshToken({ issuer: at.issuer, clientId: at.clientId }, refreshToken)
}

/** Of `eval "$(coffer login ...)"`. Nobody could use a part of them. */
function environmentCredentials(): SessionCredentials | undefined {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = process.env
  if (!AWS_ACCESS_KEY_ID || !AWS_SECRET_ACCESS_KEY || !AWS_SESSION_TOKEN) return undefined
  return {
    accessKeyId: AWS_ACCESS_KEY_ID,
    secretAccessKey: AWS_SECRET_ACCESS_KEY,
    sessionToken: AWS_SESSION_TOKEN,
    expiration: '',
  }
}
