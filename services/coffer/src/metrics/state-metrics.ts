import { setTimeout as sleep } from 'node:timers/promises'
import type { Registry } from 'prom-client'

/** What is read from the store, from disks and files when somebody asks, not counted as it happens. */
export interface StatePart {
  /** How long an answer is good enough; what costs more to ask is asked less often. */
  readonly ageMsMax: number
  read(): Promise<void>
  /** What was read is too old to be shown. */
  forget(): void
}

/** A scrape waits no longer than this for what is read; it is shown at the next one. */
const READ_TIMEOUT_MS = 1_500

/** Parts of the state of a store, as the process that is best placed for it knows them. */
export class StateMetrics {
  readonly registry: Registry
  readonly #parts: { readonly part: StatePart; readAtMs: number; reading: Promise<void> | undefined }[] = []

  constructor(registry: Registry) {
    this.registry = registry
  }

  add(part: StatePart): void {
    this.#parts.push({ part, readAtMs: Number.NEGATIVE_INFINITY, reading: undefined })
  }

  /** Reads anew what is too old. A part that cannot be read shows nothing: no number is better than an old one. */
  async refresh(): Promise<void> {
    const now = performance.now()
    for (const entry of this.#parts) {
      if (entry.reading !== undefined || now - entry.readAtMs < entry.part.ageMsMax) continue
      entry.reading = entry.part
        .read()
        .catch(() => entry.part.forget())
        .finally(() => {
          entry.readAtMs = performance.now()
          entry.reading = undefined
        })
    }
    const timeout = sleep(READ_TIMEOUT_MS, undefined, { ref: false })
    await Promise.race([Promise.all(this.#parts.map(({ reading }) => reading)), timeout])
  }
}
