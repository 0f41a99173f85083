import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { type AuditTarget, defineAuditTarget } from '../audit-target.ts'
import { auditError } from '../errors.ts'

const WebhookOptions = z.strictObject({
  /** https, or http on this machine. */
  url: z
    .string()
    .regex(/^(https:\/\/[^@\s]+|http:\/\/(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(\/\S*)?)$/, 'an https URL'),
  /** A file with the value of the Authorization header, such as `Bearer ...`. Read anew for each request. */
  authorizationFile: z.string().optional(),
  timeoutMs: z.number().int().min(100).max(60_000).default(10_000),
})

type WebhookOptions = z.infer<typeof WebhookOptions>

/** Batches of lines (`application/x-ndjson`) by POST; any 2xx means that they are taken. Redirects are not followed. */
export const webhookTarget = defineAuditTarget({
  name: 'webhook',
  options: WebhookOptions,
  async open(options) {
    return new WebhookTarget(options)
  },
})

class WebhookTarget implements AuditTarget {
  readonly #options: WebhookOptions

  constructor(options: WebhookOptions) {
    this.#options = options
  }

  async write(lines: readonly string[]): Promise<void> {
    const { url, authorizationFile, timeoutMs } = this.#options
    try {
      const authorization = authorizationFile && (await readFile(authorizationFile, 'utf8')).trim()
      const response = await fetch(url, {
        method: 'POST',
        redirect: 'error',
        signal: AbortSignal.timeout(timeoutMs),
        headers: { 'content-type': 'application/x-ndjson', ...(authorization && { authorization }) },
        body: `${lines.join('\n')}\n`,
      })
      await response.body?.cancel()
      if (!response.ok) throw new Error(`status ${response.status}`)
    } catch (cause) {
      throw auditError('AUDIT_TARGET_UNAVAILABLE', { target: 'webhook' }, { cause })
    }
  }

  async close(): Promise<void> {}
}
