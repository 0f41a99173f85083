import type { IncomingMessage } from 'node:http'
import { isIPv6 } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { s3Error } from '@coffer/s3-protocol'
import { TokenBuckets } from './token-buckets.ts'

/** What each gateway process allows; 0: no limit. */
export interface RateLimitSettings {
  readonly rateLimitPerAddress: number
  readonly rateLimitPerAccessKey: number
  readonly failedSignaturesPerMinute: number
}

/** So much of a second's requests may come at once. */
const BURST_SECONDS = 2
/** What an answer to one failure too many is held back for, and how many may be held back at once. */
const FAILURE_DELAY_MS = 1_000
const DELAYED_MAX = 256
/** RFC 4291, section 2.5.4: what one site has of IPv6 is at least a /64. */
const SITE_GROUPS = 4
const MAPPED = '::ffff:'
/** Of all APIs on the port: the access key is not known, or its signature is not right, nor what is brought in its place. */
const FAILURES: ReadonlySet<unknown> = new Set([
  'IAM_INVALID_IDENTITY_TOKEN',
  'IAM_LOGIN_REFUSED',
  'InvalidAccessKeyId',
  'InvalidClientTokenId',
  'SignatureDoesNotMatch',
  'UnrecognizedClientException',
])

/** Keeps one client from taking what all need: requests by address and by access key, and guesses by address. SlowDown. */
export class RateLimits {
  readonly #addresses: TokenBuckets | undefined
  readonly #accessKeys: TokenBuckets | undefined
  readonly #failures: TokenBuckets | undefined
  #delayedCount = 0

  constructor(settings: RateLimitSettings) {
    const { rateLimitPerAddress, rateLimitPerAccessKey, failedSignaturesPerMinute } = settings
    this.#addresses = bucketsOf(rateLimitPerAddress, rateLimitPerAddress * BURST_SECONDS)
    this.#accessKeys = bucketsOf(rateLimitPerAccessKey, rateLimitPerAccessKey * BURST_SECONDS)
    this.#failures = bucketsOf(failedSignaturesPerMinute / 60, failedSignaturesPerMinute)
  }

  /** Before anything is done for a request. */
  admitAddress({ socket }: IncomingMessage): void {
    if (this.#addresses !== undefined) assertToken(this.#addresses, siteOf(socket.remoteAddress))
  }

  /** Once the signature is known to be right: nobody can use up another's. */
  admitAccessKey(accessKeyId: string): void {
    if (this.#accessKeys !== undefined) assertToken(this.#accessKeys, accessKeyId)
  }

  /**
   * Before a password is tried, which unlike a signature or a token can be guessed: who has failed too often is not heard for a while,
   * with a right one either.
   */
  async admitPassword({ socket }: IncomingMessage): Promise<void> {
    const waitMs = this.#failures?.look(siteOf(socket.remoteAddress)) ?? 0
    if (waitMs === 0) return
    await this.#delay()
    throw slowDown(waitMs)
  }

  /**
   * Authentication with too many failures of one address answered late, and all alike. Whoever comes from there with a right
   * signature does not notice.
   */
  async watched<T>({ socket }: IncomingMessage, authentication: Promise<T>): Promise<T> {
    try {
      return await authentication
    } catch (error) {
      const waitMs = isFailure(error) ? (this.#failures?.take(siteOf(socket.remoteAddress)) ?? 0) : 0
      if (waitMs === 0) throw error
      await this.#delay()
      throw slowDown(waitMs, error)
    }
  }

  async #delay(): Promise<void> {
    if (this.#delayedCount >= DELAYED_MAX) return
    this.#delayedCount += 1
    await sleep(FAILURE_DELAY_MS)
    this.#delayedCount -= 1
  }
}

function bucketsOf(perSecond: number, burst: number): TokenBuckets | undefined {
  return perSecond === 0 ? undefined : new TokenBuckets({ perSecond, burst })
}

function assertToken(buckets: TokenBuckets, name: string): void {
  const waitMs = buckets.take(name)
  if (waitMs > 0) throw slowDown(waitMs)
}

function slowDown(waitMs: number, cause?: unknown) {
  return s3Error('SlowDown', { headers: { 'retry-after': String(Math.ceil(waitMs / 1000)) }, cause })
}

function isFailure(error: unknown): boolean {
  return error instanceof Error && 'code' in error && FAILURES.has(error.code)
}

/** An IPv4 address, or the /64 of an IPv6 one. */
function siteOf(address = ''): string {
  if (address.startsWith(MAPPED)) return address.slice(MAPPED.length)
  if (!isIPv6(address)) return address
  const [head = '', tail] = address.split('::')
  const groups = head.split(':').filter((group) => group !== '')
  const tailCount = tail === undefined || tail === '' ? 0 : tail.split(':').length
  const zeros = tail === undefined ? 0 : 8 - groups.length - tailCount
  return [...groups, ...new Array<string>(zeros).fill('0')].slice(0, SITE_GROUPS).join(':')
}
