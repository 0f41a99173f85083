import { Registry } from 'prom-client'
import type { MetricsSnapshot } from './process-metrics.ts'
import { registryOf } from './registry-of.ts'

/** How long a scrape waits for a process that is busy; what it told last counts then. */
const ANSWER_TIMEOUT_MS = 2_000

/** What a process with metrics understands and answers, among its other messages. */
export type MetricsRequest = { readonly kind: 'metrics' }
export type MetricsAnswer = { readonly kind: 'metrics'; readonly metrics: MetricsSnapshot }

interface Child {
  send(message: MetricsRequest, callback: (error: Error | null) => void): boolean
  on(event: 'message', listener: (message: { readonly kind?: unknown }) => void): unknown
  once(event: 'exit', listener: () => void): unknown
}

/**
 * The numbers of child processes, and the counts of those that are gone: a counter that a dead worker takes with it would
 * look like a reset.
 */
export class ChildMetrics {
  readonly #last = new Map<Child, MetricsSnapshot>()
  readonly #waiting = new Map<Child, () => void>()
  #departed: Promise<MetricsSnapshot> = Promise.resolve([])

  follow(child: Child): void {
    this.#last.set(child, [])
    child.on('message', (message) => {
      if (message.kind !== 'metrics') return
      if (this.#last.has(child)) this.#last.set(child, (message as MetricsAnswer).metrics)
      this.#waiting.get(child)?.()
    })
    child.once('exit', () => {
      const counts = (this.#last.get(child) ?? []).filter(isCount)
      this.#last.delete(child)
      this.#waiting.get(child)?.()
      this.#departed = this.#departed.then((departed) =>
        registryOf([departed, counts], Registry.PROMETHEUS_CONTENT_TYPE).getMetricsAsJSON(),
      )
    })
  }

  async collect(): Promise<readonly MetricsSnapshot[]> {
    await Promise.all([...this.#last.keys()].map((child) => this.#ask(child)))
    return [...this.#last.values(), await this.#departed]
  }

  async #ask(child: Child): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, ANSWER_TIMEOUT_MS)
    this.#waiting.set(child, resolve)
    child.send({ kind: 'metrics' }, (error) => error && resolve())
    await promise
    clearTimeout(timer)
    this.#waiting.delete(child)
  }
}

function isCount({ type }: MetricsSnapshot[number]): boolean {
  return ['counter', 'histogram'].includes(String(type))
}
