import type { ScrubReport } from '@coffer/contracts'
import { Gauge, type Registry } from 'prom-client'

/** What the last scrub of this process found: of all that stands for the store, the one number that must stay 0. */
export class ScrubMetrics {
  readonly #damaged: Gauge
  readonly #incomplete: Gauge
  readonly #endedAt: Gauge

  constructor(registry: Registry) {
    const gauge = (name: string, help: string) => new Gauge({ name, help, aggregator: 'max', registers: [registry] })
    this.#damaged = gauge('coffer_scrub_damaged_blobs', 'Blobs that the last scrub found missing or damaged.')
    this.#incomplete = gauge(
      'coffer_scrub_incomplete_stores',
      'Blob stores that were away when they were to be scrubbed.',
    )
    this.#endedAt = gauge('coffer_scrub_ended_timestamp_seconds', 'When the last scrub ended; 0: none has yet.')
  }

  ended({ damaged, incomplete }: Pick<ScrubReport, 'damaged' | 'incomplete'>): void {
    this.#damaged.set(damaged.length)
    this.#incomplete.set(incomplete.length)
    this.#endedAt.set(Date.now() / 1000)
  }
}
