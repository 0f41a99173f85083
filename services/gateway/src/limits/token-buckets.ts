/** Names remembered at once; who comes with more addresses than that makes the oldest ones forgotten, full again. */
const NAMES_MAX = 100_000

interface Bucket {
  tokens: number
  atMs: number
}

/** A token bucket for each name: `perSecond` tokens flow in, at most `burst` are kept, one is taken for each request. */
export class TokenBuckets {
  readonly #perMs: number
  readonly #burst: number
  readonly #now: () => number
  readonly #buckets = new Map<string, Bucket>()

  /** `now`: milliseconds of a clock that never goes back. */
  constructor(options: { readonly perSecond: number; readonly burst: number; readonly now?: () => number }) {
    this.#perMs = options.perSecond / 1000
    this.#burst = options.burst
    this.#now = options.now ?? (() => performance.now())
  }

  /** 0: there was one. Else how long until there is one; none is taken. */
  take(name: string): number {
    const now = this.#now()
    const bucket = this.#buckets.get(name) ?? this.#add(name, now)
    bucket.tokens = Math.min(this.#burst, bucket.tokens + (now - bucket.atMs) * this.#perMs)
    bucket.atMs = now
    if (bucket.tokens < 1) return (1 - bucket.tokens) / this.#perMs
    bucket.tokens -= 1
    return 0
  }

  /** What `take` would say; none is taken. */
  look(name: string): number {
    const bucket = this.#buckets.get(name)
    if (bucket === undefined) return 0
    const tokens = bucket.tokens + (this.#now() - bucket.atMs) * this.#perMs
    return tokens < 1 ? (1 - tokens) / this.#perMs : 0
  }

  #add(name: string, now: number): Bucket {
    if (this.#buckets.size >= NAMES_MAX) {
      const [oldest] = this.#buckets.keys()
      if (oldest !== undefined) this.#buckets.delete(oldest)
    }
    const bucket = { tokens: this.#burst, atMs: now }
    this.#buckets.set(name, bucket)
    return bucket
  }
}
