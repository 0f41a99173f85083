import { setTimeout as sleep } from 'node:timers/promises'
import { type ConnectionOptions, connect } from 'nats'
import { meshError } from './errors.ts'
import type { Logger } from './logger.ts'

const RETRY_PAUSE_MS = 1_000
/** Codes of the client library that no retry will change: wrong user, password or credentials file, or no permission. */
const REFUSALS = [
  'AUTHORIZATION_VIOLATION',
  'AUTHENTICATION_EXPIRED',
  'BAD_AUTHENTICATION',
  'BAD_CREDS',
  'PERMISSIONS_VIOLATION',
]

/**
 * Resolves when the NATS server has let this process in. Moleculer would try for ever without a word: here a server that
 * is not there yet is told of and asked again, and one that refuses ends the start. MESH_NATS_REFUSED.
 */
export async function reachNats(options: ConnectionOptions, logger: Logger): Promise<void> {
  for (;;) {
    try {
      const connection = await connect({ ...options, reconnect: false })
      await connection.close()
      return
    } catch (cause) {
      const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown'
      if (REFUSALS.includes(code)) throw meshError('MESH_NATS_REFUSED', { code }, { cause })
      const reason = cause instanceof Error ? cause.message : String(cause)
      logger.warn({ servers: options.servers, code, reason }, 'the NATS server cannot be reached; trying again')
      await sleep(RETRY_PAUSE_MS)
    }
  }
}
