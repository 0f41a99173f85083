import { readFile } from 'node:fs/promises'
import { Secret } from '@coffer/crypto-core'
import { isCofferError } from '@coffer/errors'
import { z } from 'zod'
import { kmsError } from '../../errors.ts'
import type { VaultLogin } from './options.ts'
import { type VaultAnswer, type VaultMethod, VaultTokenRefused } from './vault-answer.ts'

/** A token, and when half of its life is over: from then on it is renewed, by a timer or at its next use. */
export interface VaultSession {
  readonly token: Secret
  readonly renewAtMs: number
}

/** A token is kept alive also while nobody calls; not more often than this, when the server is away. */
const RENEW_INTERVAL_MS_MIN = 1_000
/** The longest time that a timer of Node takes. */
const TIMER_MS_MAX = 2 ** 31 - 1

type Send = (method: VaultMethod, path: string, body?: object, token?: Secret) => Promise<VaultAnswer>

const Authenticated = z.object({ auth: z.object({ client_token: z.string().min(1), lease_duration: z.number() }) })
const Renewed = z.object({ auth: z.object({ lease_duration: z.number() }) })
const LookedUp = z.object({ data: z.object({ ttl: z.number(), renewable: z.boolean().optional() }) })

/** Logs in when a token is first needed (Vault documentation, "Auth methods"), renews it, and replaces it. */
export class VaultSessions {
  readonly #login: VaultLogin
  readonly #send: Send
  #current: VaultSession | undefined
  #pending: Promise<VaultSession> | undefined
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(login: VaultLogin, send: Send) {
    this.#login = login
    this.#send = send
  }

  async current(): Promise<VaultSession> {
    const session = this.#current
    if (session === undefined) return this.#once(() => this.#logIn())
    if (session.renewAtMs > Date.now()) return session
    return this.#once(() => this.#renew(session))
  }

  /** Another session than one that was refused. */
  async renewAfter(refused: VaultSession): Promise<VaultSession> {
    if (this.#current !== undefined && this.#current !== refused) return this.#current
    return this.#once(() => this.#logIn())
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#current?.token.wipe()
    this.#current = undefined
  }

  /** Calls at the same time share one login. */
  #once(act: () => Promise<VaultSession>): Promise<VaultSession> {
    this.#pending ??= act()
      .then((session) => {
        if (this.#isClosed) return session
        this.#current = session
        this.#renewInTime(session)
        return session
      })
      .finally(() => {
        this.#pending = undefined
      })
    return this.#pending
  }

  #renewInTime(session: VaultSession): void {
    clearTimeout(this.#timer)
    if (session.renewAtMs === Number.POSITIVE_INFINITY) return
    const inMs = Math.min(Math.max(session.renewAtMs - Date.now(), RENEW_INTERVAL_MS_MIN), TIMER_MS_MAX)
    // A failure shows in the next call, which tries again.
    this.#timer = setTimeout(() => this.#once(() => this.#renew(session)).catch(() => undefined), inMs).unref()
  }

  async #renew(session: VaultSession): Promise<VaultSession> {
    try {
      const answer = await this.#send('POST', 'auth/token/renew-self', {}, session.token)
      const renewed = Renewed.safeParse(answer.kind === 'ok' ? answer.body : undefined)
      if (renewed.success) return sessionOf(session.token, renewed.data.auth.lease_duration)
    } catch (error) {
      // Away, not refused: the token may have half of its life left.
      if (isCofferError(error)) return session
      if (!(error instanceof VaultTokenRefused)) throw error
    }
    return this.#logIn()
  }

  async #logIn(): Promise<VaultSession> {
    const login = this.#login
    switch (login.method) {
      case 'token':
        return this.#useToken(await tokenOf(login))
      case 'approle':
        return this.#authenticate(login.mount, {
          role_id: login.roleId,
          secret_id: await secretIn(login.secretIdFile, 'secretIdFile'),
        })
      case 'kubernetes':
        return this.#authenticate(login.mount, { role: login.role, jwt: await secretIn(login.jwtFile, 'jwtFile') })
      case 'cert':
        return this.#authenticate(login.mount, login.role === undefined ? {} : { name: login.role })
    }
  }

  async #authenticate(mount: string, body: object): Promise<VaultSession> {
    const answer = await this.#ask('POST', `auth/${mount}/login`, body)
    const authenticated = Authenticated.safeParse(answer)
    if (!authenticated.success) throw kmsError('KMS_UNAVAILABLE')
    const { client_token, lease_duration } = authenticated.data.auth
    return sessionOf(Secret.take(Buffer.from(client_token, 'latin1')), lease_duration)
  }

  async #useToken(token: Secret): Promise<VaultSession> {
    const looked = LookedUp.safeParse(await this.#ask('GET', 'auth/token/lookup-self', undefined, token))
    if (!looked.success) throw kmsError('KMS_UNAVAILABLE')
    const { ttl, renewable } = looked.data.data
    return sessionOf(token, renewable ? ttl : 0)
  }

  /** KMS_ACCESS_DENIED for every way in which Vault says no to a login. */
  async #ask(method: VaultMethod, path: string, body?: object, token?: Secret): Promise<unknown> {
    try {
      const answer = await this.#send(method, path, body, token)
      if (answer.kind === 'ok') return answer.body
    } catch (error) {
      if (!(error instanceof VaultTokenRefused)) throw error
    }
    throw kmsError('KMS_ACCESS_DENIED')
  }
}

/** A life of 0 seconds is one without an end. */
function sessionOf(token: Secret, lifeSeconds: number): VaultSession {
  return { token, renewAtMs: lifeSeconds > 0 ? Date.now() + (lifeSeconds * 1000) / 2 : Number.POSITIVE_INFINITY }
}

async function tokenOf(login: Extract<VaultLogin, { method: 'token' }>): Promise<Secret> {
  const { tokenFile, tokenVariable } = login
  const text = tokenFile === undefined ? process.env[tokenVariable ?? ''] : await secretIn(tokenFile, 'tokenFile')
  if (!text) throw kmsError('KMS_OPTIONS_INVALID', { option: 'auth.tokenFile or auth.tokenVariable' })
  return Secret.take(Buffer.from(text, 'latin1'))
}

async function secretIn(path: string, option: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => {
    throw kmsError('KMS_OPTIONS_INVALID', { option: `auth.${option}`, path })
  })
  return text.trim()
}
