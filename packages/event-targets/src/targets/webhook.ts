import { createHmac } from 'node:crypto'
import { z } from 'zod'
import { eventTargetError } from '../errors.ts'
import type { EventMessage, EventTarget, EventTargetPlugin } from '../event-target.ts'
import { readSecretFile } from '../secret-file.ts'

const TIMEOUT_MS_DEFAULT = 10_000
const SECRET_CHARS_MIN = 16
/** The receiver wants time, not another message (RFC 9110, sections 15.5 and 15.6; RFC 6585, section 4). */
const LATER = [401, 403, 404, 408, 425, 429]

const WebhookOptions = z.strictObject({
  /** `https:`; `http:` only to this machine. */
  url: z.url().refine(isGuarded, 'https, or http to this machine'),
  /** A file with the secret that signs: `whsec_` and base64, or any text of at least 16 characters. */
  secretFile: z.string(),
  timeoutMs: z.number().int().min(100).max(60_000).default(TIMEOUT_MS_DEFAULT),
})
type WebhookOptions = z.infer<typeof WebhookOptions>

/**
 * A POST for each message, signed with HMAC-SHA-256 over id, time and body. Source: Standard Webhooks 1.0 (headers
 * `webhook-id`, `webhook-timestamp`, `webhook-signature`), for which receivers have libraries.
 */
export const webhookTarget: EventTargetPlugin<WebhookOptions> = {
  options: WebhookOptions as z.ZodType<WebhookOptions>,
  async open({ url, secretFile, timeoutMs }) {
    const key = keyOf(await readSecretFile(secretFile))
    if (key.length < SECRET_CHARS_MIN) throw eventTargetError('EVENT_TARGET_SECRET_UNREADABLE', { path: secretFile })
    return new WebhookTarget(url, key, timeoutMs)
  },
}

class WebhookTarget implements EventTarget {
  readonly #url: string
  readonly #key: Buffer
  readonly #timeoutMs: number

  constructor(url: string, key: Buffer, timeoutMs: number) {
    this.#url = url
    this.#key = key
    this.#timeoutMs = timeoutMs
  }

  async send({ id, body }: EventMessage): Promise<void> {
    const timestamp = String(Math.floor(Date.now() / 1000))
    const signature = createHmac('sha256', this.#key).update(`${id}.${timestamp}.${body}`).digest('base64')
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'Coffer',
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      'webhook-signature': `v1,${signature}`,
    }
    const status = await this.#post(body, headers)
    if (status >= 200 && status < 300) return
    const isLater = status >= 500 || status < 200 || LATER.includes(status)
    throw eventTargetError(isLater ? 'EVENT_TARGET_UNAVAILABLE' : 'EVENT_TARGET_REFUSED', { reason: `HTTP ${status}` })
  }

  async close(): Promise<void> {}

  async #post(body: string, headers: Record<string, string>): Promise<number> {
    try {
      const signal = AbortSignal.timeout(this.#timeoutMs)
      // A redirect is not followed: what is signed is for this address.
      const response = await fetch(this.#url, { method: 'POST', body, headers, signal, redirect: 'manual' })
      await response.body?.cancel()
      return response.status
    } catch (cause) {
      throw eventTargetError('EVENT_TARGET_UNAVAILABLE', { reason: 'no connection, or no answer in time' }, { cause })
    }
  }
}

function keyOf(secret: string): Buffer {
  return secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : Buffer.from(secret)
}

function isGuarded(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname } = new URL(text)
  return protocol === 'https:' || (protocol === 'http:' && ['127.0.0.1', '[::1]', 'localhost'].includes(hostname))
}
