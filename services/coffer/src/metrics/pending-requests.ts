import type { ObservedRequest } from '@coffer/service-gateway'

type Named = Pick<ObservedRequest, 'api' | 'operation'>

/** What was observed of one operation and not told yet. */
export interface PendingOperation extends Named {
  /** By class of status, 1 to 5. */
  readonly statusCounts: number[]
  readonly seconds: number[]
}

/** So many requests of one operation are told at once. */
const PENDING_MAX = 256

/**
 * Requests by operation, kept as plain numbers and told together: the library makes and looks up a text for each number that it is
 * told, which between two requests, when nothing of it is in the processor's caches, takes four times as long as in a loop.
 */
export class PendingRequests {
  readonly #tell: (operation: PendingOperation) => void
  readonly #operations = new Map<string, Map<string, PendingOperation>>()

  constructor(tell: (operation: PendingOperation) => void) {
    this.#tell = tell
  }

  /** `seconds` is undefined where they are told in another way. */
  add(named: Named, status: number, seconds: number | undefined): void {
    const pending = this.#of(named)
    const statusClass = Math.floor(status / 100)
    pending.statusCounts[statusClass] = (pending.statusCounts[statusClass] ?? 0) + 1
    if (seconds !== undefined && pending.seconds.push(seconds) >= PENDING_MAX) this.#tellOf(pending)
  }

  /** All that is left: before somebody looks. */
  flush(): void {
    for (const ofApi of this.#operations.values()) for (const pending of ofApi.values()) this.#tellOf(pending)
  }

  #tellOf(pending: PendingOperation): void {
    this.#tell(pending)
    pending.statusCounts.length = 0
    pending.seconds.length = 0
  }

  #of({ api, operation }: Named): PendingOperation {
    const ofApi = this.#operations.get(api) ?? new Map<string, PendingOperation>()
    const known = ofApi.get(operation)
    if (known !== undefined) return known
    const pending: PendingOperation = { api, operation, statusCounts: [], seconds: [] }
    this.#operations.set(api, ofApi.set(operation, pending))
    return pending
  }
}
