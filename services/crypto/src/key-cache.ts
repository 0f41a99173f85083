import type { Secret } from '@coffer/crypto-core'

/** A key with its name; whoever gets one uses it at once and keeps it no longer. */
export interface NamedKey {
  readonly id: string
  readonly key: Secret
  /** `connector/key` of the master key that wraps it. */
  readonly masterKeyName: string
}

interface Cached {
  readonly key: Promise<NamedKey | undefined>
  readonly untilMs: number
}

/** A key is wiped this long after it was dropped: a request that has it in hand seals with it in the same turn of the loop. */
const WIPE_DELAY_MS = 1000

/** Keys for a limited time and up to a limited number, the least recently used dropped first. Dropped keys are wiped. */
export class KeyCache {
  readonly #keysMax: number
  readonly #keptMs: number
  readonly #now: () => number
  /** In order of use: a Map keeps the order of insertion, and a key that is used is inserted again. */
  readonly #cached = new Map<string, Cached>()

  constructor(options: { readonly keysMax: number; readonly keptMs: number; readonly now: () => number }) {
    this.#keysMax = options.keysMax
    this.#keptMs = options.keptMs
    this.#now = options.now
  }

  /** Concurrent misses share one `open`; one that fails or finds nothing is not remembered. `open` gives each key to one id. */
  get(id: string, open: () => Promise<NamedKey | undefined>): Promise<NamedKey | undefined> {
    const known = this.#cached.get(id)
    if (known !== undefined && known.untilMs > this.#now()) {
      this.#cached.delete(id)
      this.#cached.set(id, known)
      return known.key
    }
    if (known !== undefined) this.#drop(id, known)
    this.#makeRoom()
    const opened = { key: open(), untilMs: this.#now() + this.#keptMs }
    this.#cached.set(id, opened)
    opened.key.then(
      (key) => key ?? this.#drop(id, opened),
      () => this.#drop(id, opened),
    )
    setTimeout(() => this.#drop(id, opened), this.#keptMs).unref()
    return opened.key
  }

  /** Dropped now; who has it in hand may still use it. */
  forget(id: string): void {
    const cached = this.#cached.get(id)
    if (cached !== undefined) this.#drop(id, cached)
  }

  #makeRoom(): void {
    for (const [id, cached] of this.#cached) {
      if (this.#cached.size < this.#keysMax) return
      this.#drop(id, cached)
    }
  }

  #drop(id: string, cached: Cached): void {
    if (this.#cached.get(id) !== cached) return
    this.#cached.delete(id)
    const wipeLater = (dropped: NamedKey | undefined): void => {
      setTimeout(() => dropped?.key.wipe(), WIPE_DELAY_MS).unref()
    }
    cached.key.then(wipeLater, () => undefined)
  }
}
