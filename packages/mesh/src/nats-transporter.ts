import { readFileSync } from 'node:fs'
import { insecureExportKeyBytes } from '@coffer/crypto-core'
import { credsAuthenticator } from 'nats'
import type { NatsOptions } from './mesh-options.ts'

/** Moleculer's NATS transporter settings out of ours. */
export function natsTransporter(nats: NatsOptions): { type: 'NATS'; options: Record<string, unknown> } {
  const { url, user, password, credentialsFile, tls } = nats
  return {
    type: 'NATS',
    options: {
      servers: url.split(',').map((server) => server.trim().replace(/^(nats|tls):\/\//, '')),
      ...(user !== undefined && { user }),
      ...(password && { pass: Buffer.from(insecureExportKeyBytes(password)).toString() }),
      ...(credentialsFile !== undefined && { authenticator: credsAuthenticator(readFileSync(credentialsFile)) }),
      ...((tls !== undefined || url.includes('tls://')) && { tls: tls ?? {} }),
      maxReconnectAttempts: -1,
      reconnectTimeWait: 250,
    },
  }
}
