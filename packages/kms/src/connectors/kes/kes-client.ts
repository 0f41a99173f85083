import type { SecureContext } from 'node:tls'
import { Agent, type Dispatcher, request } from 'undici'
import { z } from 'zod'
import { kmsError } from '../../errors.ts'
import { isCertificateRefused } from '../mutual-tls.ts'
import { secureContextOf } from './client-identity.ts'
import type { KesOptions } from './options.ts'

/** What KES answered, understood as far as its errors go. */
export type KesAnswer =
  | { readonly kind: 'ok'; readonly body: unknown }
  | { readonly kind: 'not-found' | 'exists' | 'not-authentic' | 'refused' }

/** As the client of KES's makers has it (kms-go, kes/client.go). */
const ANSWER_BYTES_MAX = 1024 * 1024

/** Older servers say `error`. */
const ErrorAnswer = z
  .union([z.object({ message: z.string() }), z.object({ error: z.string() })])
  .transform((answer) => ('message' in answer ? answer.message : answer.error))

/** KES has no codes for its errors: their status and text are what its own clients go by (kms-go, kes/error.go). */
const ERRORS: Readonly<Record<string, 'not-found' | 'exists' | 'not-authentic'>> = {
  '404 key does not exist': 'not-found',
  '400 key already exists': 'exists',
  '400 key does already exist': 'exists',
  '400 decryption failed: ciphertext is not authentic': 'not-authentic',
}

/**
 * KES's HTTP API (KES documentation, "Server API"), over mutual TLS: who the client is, its certificate's public key says.
 * Neither what was sent nor what came back is ever in an error: both can hold a key.
 */
export class KesClient {
  readonly #options: KesOptions
  readonly #dispatcher: Dispatcher

  private constructor(options: KesOptions, secureContext: SecureContext) {
    this.#options = options
    this.#dispatcher = new Agent({ connect: { secureContext }, maxResponseSize: ANSWER_BYTES_MAX })
  }

  /** KMS_OPTIONS_INVALID. */
  static async open(options: KesOptions): Promise<KesClient> {
    return new KesClient(options, await secureContextOf(options))
  }

  /** KMS_UNAVAILABLE, KMS_ACCESS_DENIED. */
  async call(method: 'GET' | 'POST', path: string, body?: object): Promise<KesAnswer> {
    const { address, timeoutMs } = this.#options
    let status: number
    let text: string
    try {
      const answer = await request(new URL(`/v1/${path}`, address), {
        method,
        dispatcher: this.#dispatcher,
        signal: AbortSignal.timeout(timeoutMs),
        ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      })
      status = answer.statusCode
      text = await answer.body.text()
    } catch (error) {
      throw kmsError(isCertificateRefused(error) ? 'KMS_ACCESS_DENIED' : 'KMS_UNAVAILABLE')
    }
    return understand(status, text)
  }

  async close(): Promise<void> {
    await this.#dispatcher.destroy()
  }
}

function understand(status: number, text: string): KesAnswer {
  if (status === 200) return { kind: 'ok', body: text === '' ? {} : jsonOf(text, status) }
  if (status < 400 || status >= 500) throw kmsError('KMS_UNAVAILABLE', { status })
  // Only KES's own form counts: a proxy's page must not say that a key is gone.
  const refusal = ErrorAnswer.safeParse(jsonOf(text, status))
  if (!refusal.success) throw kmsError('KMS_UNAVAILABLE', { status })
  if (status === 403) throw kmsError('KMS_ACCESS_DENIED')
  return { kind: ERRORS[`${status} ${refusal.data}`] ?? 'refused' }
}

function jsonOf(text: string, status: number): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw kmsError('KMS_UNAVAILABLE', { status })
  }
}
