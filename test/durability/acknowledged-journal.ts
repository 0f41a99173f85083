import { createHash, randomBytes } from 'node:crypto'

/** What a key may hold: the SHA-256 of an object's bytes, or nothing. */
export type KeyState = string | 'absent'

export function stateOf(body: Uint8Array): KeyState {
  return createHash('sha256').update(body).digest('hex')
}

export function newBody(sizeBytes: number): Buffer {
  return randomBytes(sizeBytes)
}

/**
 * What clients were told. A write that got no answer may have happened or not; one that was acknowledged has happened.
 * Each key has one writer at a time, so that the order of its writes is known.
 */
export class AcknowledgedJournal {
  readonly #acknowledged = new Map<string, KeyState>()
  readonly #unanswered = new Map<string, Set<KeyState>>()
  acknowledgedWrites = 0

  /** Runs a write that leaves `key` in `state`; remembers whether it was acknowledged. Rethrows its failure. */
  async record(key: string, state: KeyState, write: () => Promise<unknown>): Promise<void> {
    const unanswered = this.#unanswered.get(key) ?? new Set()
    unanswered.add(state)
    this.#unanswered.set(key, unanswered)
    await write()
    this.#unanswered.delete(key)
    this.#acknowledged.set(key, state)
    this.acknowledgedWrites++
  }

  keys(): string[] {
    return [...new Set([...this.#acknowledged.keys(), ...this.#unanswered.keys()])]
  }

  /** The states that are true to what was said. */
  allowed(key: string): KeyState[] {
    return [this.#acknowledged.get(key) ?? 'absent', ...(this.#unanswered.get(key) ?? [])]
  }

  /** After a look: what was seen is the state from which the next writes go on. */
  settle(key: string, state: KeyState): void {
    this.#acknowledged.set(key, state)
    this.#unanswered.delete(key)
  }
}
