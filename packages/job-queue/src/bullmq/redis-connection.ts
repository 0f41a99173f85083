import { Redis } from 'ioredis'

export interface RedisSettings {
  /** `rediss://host:port/database` (TLS) or `redis://` (loopback and trusted networks). Without credentials. */
  readonly url: string
  readonly user?: string | undefined
  readonly password?: string | undefined
  /** PEM certificates that the server is checked against; the system's by default. */
  readonly ca?: string | undefined
}

const CONNECT_TIMEOUT_MS = 5_000
const RETRY_MS_MAX = 2_000

/**
 * Opens connections to one Redis. A command waits while the connection is lost and comes back, as long as `retries` allow;
 * BullMQ's worker needs it to wait without end.
 */
export function redisConnector({ url, user, password, ca }: RedisSettings): (retries: number | null) => Redis {
  const options = {
    ...(user !== undefined && { username: user }),
    ...(password !== undefined && { password }),
    ...(ca !== undefined && url.startsWith('rediss:') && { tls: { ca } }),
    connectTimeout: CONNECT_TIMEOUT_MS,
    retryStrategy: (attempt: number) => Math.min(attempt * 100, RETRY_MS_MAX),
  }
  return (retries) => new Redis(url, { ...options, maxRetriesPerRequest: retries })
}
