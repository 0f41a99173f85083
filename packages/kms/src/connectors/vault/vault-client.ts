import { readFile } from 'node:fs/promises'
import { insecureExportKeyBytes, type Secret } from '@coffer/crypto-core'
import { Agent, type Dispatcher, request } from 'undici'
import { z } from 'zod'
import { kmsError } from '../../errors.ts'
import type { VaultOptions } from './options.ts'
import { type VaultAnswer, type VaultMethod, VaultTokenRefused } from './vault-answer.ts'
import { type VaultSession, VaultSessions } from './vault-sessions.ts'

/** An answer of Transit is a few hundred bytes, a list of keys some more. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024
const UNAVAILABLE = new Set([412, 429, 472, 473])
const ErrorAnswer = z.object({ errors: z.array(z.string()) })

/**
 * Vault's HTTP API (Vault documentation, "HTTP API"): logs in, renews, and logs in anew once when a token is refused. Neither
 * what was sent nor what came back is ever in an error: both can hold a key.
 */
export class VaultClient {
  readonly #options: VaultOptions
  readonly #dispatcher: Dispatcher
  readonly #sessions: VaultSessions

  private constructor(options: VaultOptions, dispatcher: Dispatcher) {
    this.#options = options
    this.#dispatcher = dispatcher
    this.#sessions = new VaultSessions(options.auth, (method, path, body, token) =>
      this.#send(method, path, body, token),
    )
  }

  /** KMS_OPTIONS_INVALID if a certificate file cannot be read. */
  static async open(options: VaultOptions): Promise<VaultClient> {
    const { auth, caFile } = options
    const connect = {
      ...(caFile !== undefined && { ca: await readPem(caFile, 'caFile') }),
      ...(auth.method === 'cert' && {
        cert: await readPem(auth.certFile, 'certFile'),
        key: await readPem(auth.keyFile, 'keyFile'),
      }),
    }
    return new VaultClient(options, new Agent({ connect, maxResponseSize: ANSWER_BYTES_MAX }))
  }

  /** KMS_UNAVAILABLE, KMS_ACCESS_DENIED; KMS_OPTIONS_INVALID where nothing is mounted. */
  async call(method: VaultMethod, path: string, body?: object): Promise<VaultAnswer> {
    const answer = await this.#callWithToken(method, path, body)
    if (answer.kind === 'no-route') throw kmsError('KMS_OPTIONS_INVALID', { option: 'mount' })
    return answer
  }

  async #callWithToken(method: VaultMethod, path: string, body?: object): Promise<VaultAnswer> {
    const session = await this.#sessions.current()
    try {
      return await this.#send(method, path, body, session.token)
    } catch (error) {
      if (!(error instanceof VaultTokenRefused)) throw error
    }
    // Revoked, or past its life: a fresh one is tried once.
    const fresh: VaultSession = await this.#sessions.renewAfter(session)
    try {
      return await this.#send(method, path, body, fresh.token)
    } catch (error) {
      throw error instanceof VaultTokenRefused ? kmsError('KMS_ACCESS_DENIED') : error
    }
  }

  async close(): Promise<void> {
    this.#sessions.close()
    await this.#dispatcher.destroy()
  }

  async #send(method: VaultMethod, path: string, body: object | undefined, token?: Secret): Promise<VaultAnswer> {
    const { address, namespace, timeoutMs } = this.#options
    const url = new URL(`/v1/${path}${method === 'LIST' ? '?list=true' : ''}`, address)
    let status: number
    let text: string
    try {
      const answer = await request(url, {
        method: method === 'LIST' ? 'GET' : method,
        dispatcher: this.#dispatcher,
        signal: AbortSignal.timeout(timeoutMs),
        headers: {
          'x-vault-request': 'true',
          ...(namespace !== undefined && { 'x-vault-namespace': namespace }),
          ...(token && { 'x-vault-token': Buffer.from(insecureExportKeyBytes(token)).toString('latin1') }),
          ...(body && { 'content-type': 'application/json' }),
        },
        ...(body && { body: JSON.stringify(body) }),
      })
      status = answer.statusCode
      text = await answer.body.text()
    } catch {
      throw kmsError('KMS_UNAVAILABLE')
    }
    return understand(status, text)
  }
}

function understand(status: number, text: string): VaultAnswer {
  if (status === 403) throw new VaultTokenRefused()
  if (status >= 500 || UNAVAILABLE.has(status)) throw kmsError('KMS_UNAVAILABLE', { status })
  if (status >= 300) return refusal(status, text)
  if (text === '') return { kind: 'ok', body: {} }
  try {
    const body: unknown = JSON.parse(text)
    if (typeof body === 'object' && body !== null) return { kind: 'ok', body: body as Record<string, unknown> }
  } catch {
    // Rubbish: below.
  }
  throw kmsError('KMS_UNAVAILABLE', { status })
}

/** Only Vault's own form counts: a proxy's page must not say that a key is gone. */
function refusal(status: number, text: string): VaultAnswer {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    // Rubbish: below.
  }
  const parsed = ErrorAnswer.safeParse(json)
  if (!parsed.success || status < 400) throw kmsError('KMS_UNAVAILABLE', { status })
  if (status !== 404) return { kind: 'refused' }
  // Without a reason for a missing entry of a mount that is there, with one where nothing is mounted.
  return { kind: parsed.data.errors.length === 0 ? 'not-found' : 'no-route' }
}

async function readPem(path: string, option: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => {
    throw kmsError('KMS_OPTIONS_INVALID', { option, path })
  })
}
