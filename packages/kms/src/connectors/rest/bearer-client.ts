import { readFileSync } from 'node:fs'
import { isCofferError } from '@coffer/errors'
import { Agent, type Dispatcher, request } from 'undici'
import { z } from 'zod'
import { kmsError } from '../../errors.ts'

/** Past any answer about one key, and any page of a list that is asked for. */
const ANSWER_BYTES_MAX = 1024 * 1024

const Refusal = z.object({ error: z.looseObject({}) })

/** An answer in JSON, to be understood by whoever asked. `refusal`: what stands under `error` of one with status 4xx. */
export interface RestAnswer {
  readonly status: number
  readonly body: unknown
  readonly refusal?: Readonly<Record<string, unknown>>
}

export interface BearerClientOptions {
  /** Where paths begin, without a slash at the end. */
  readonly address: string
  readonly timeoutMs: number
  /** Certificates that the server is checked against. */
  readonly caFile?: string | undefined
  /** A token that is good now. Its failures are CofferErrors without a cause, which could hold a secret. */
  readonly accessToken: () => Promise<string>
  /** Closes what the tokens come by. */
  readonly closeTokens?: () => Promise<void>
}

/**
 * A cloud's REST API with OAuth bearer tokens (RFC 6750). Neither what was sent nor what came back is ever in an error: both can
 * hold a key. Redirects are not followed: a token goes nowhere but to the address.
 */
export class BearerClient {
  readonly #options: BearerClientOptions
  readonly #dispatcher: Dispatcher

  /** KMS_OPTIONS_INVALID for a CA file that cannot be read. */
  constructor(options: BearerClientOptions) {
    this.#options = options
    this.#dispatcher = dispatcherFor(options.caFile)
  }

  /** KMS_UNAVAILABLE: no answer in time, of another form, or one that says to try again (429, 5xx). */
  async call(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, body?: object): Promise<RestAnswer> {
    const { address, timeoutMs, accessToken } = this.#options
    let status: number
    let text: string
    try {
      const token = await accessToken()
      const answer = await request(`${address}${path}`, {
        method,
        dispatcher: this.#dispatcher,
        signal: AbortSignal.timeout(timeoutMs),
        headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
        ...(body && { body: JSON.stringify(body) }),
      })
      status = answer.statusCode
      text = await answer.body.text()
    } catch (error) {
      throw isCofferError(error) ? error : kmsError('KMS_UNAVAILABLE')
    }
    return understand(status, text)
  }

  async close(): Promise<void> {
    await this.#dispatcher.destroy()
    await this.#options.closeTokens?.()
  }
}

/** For the address and the certificates of a private installation. KMS_OPTIONS_INVALID. */
export function dispatcherFor(caFile: string | undefined): Dispatcher {
  return new Agent({
    maxResponseSize: ANSWER_BYTES_MAX,
    ...(caFile !== undefined && { connect: { ca: certificatesIn(caFile) } }),
  })
}

function certificatesIn(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch {
    throw kmsError('KMS_OPTIONS_INVALID', { option: 'caFile', path })
  }
}

function understand(status: number, text: string): RestAnswer {
  const body = text === '' ? {} : jsonOf(text, status)
  if (status >= 200 && status < 300) return { status, body }
  // Only the API's own form counts: a proxy's page must not say that a key is gone.
  const refusal = Refusal.safeParse(body)
  const isFinal = status >= 400 && status < 500 && status !== 429 && status !== 408
  if (!refusal.success || !isFinal) throw kmsError('KMS_UNAVAILABLE', { status })
  return { status, body, refusal: refusal.data.error }
}

function jsonOf(text: string, status: number): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw kmsError('KMS_UNAVAILABLE', { status })
  }
}

/** KMS_UNAVAILABLE for an answer of another form: whatever answers is not the KMS. */
export function bodyOf<T>(schema: z.ZodType<T>, { body }: RestAnswer, keyId?: string): T {
  const parsed = schema.safeParse(body)
  if (!parsed.success) throw kmsError('KMS_UNAVAILABLE', { ...(keyId !== undefined && { keyId }) })
  return parsed.data
}
