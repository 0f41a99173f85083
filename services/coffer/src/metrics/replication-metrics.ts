import type { SettledReplication } from '@coffer/service-rotation/replication'
import { Counter, Histogram, type Registry } from 'prom-client'

/** From at once to a day; 900: what AWS promises with S3 Replication Time Control. */
const SECONDS = [1, 5, 15, 60, 300, 900, 3600, 86_400]

/** What this process has replicated, by destination: these are the operator's, as the replication file names them. */
export class ReplicationMetrics {
  readonly #entries: Counter<'destination' | 'outcome'>
  readonly #bytes: Counter<'destination'>
  readonly #seconds: Histogram<'destination'>

  constructor(registry: Registry) {
    const registers = [registry]
    this.#entries = new Counter({
      name: 'coffer_replication_total',
      help: 'Versions and changes of them that have come to a destination (done), or could not (failed).',
      labelNames: ['destination', 'outcome'],
      registers,
    })
    this.#bytes = new Counter({
      name: 'coffer_replication_bytes_total',
      help: 'Bytes of objects that were sent to a destination.',
      labelNames: ['destination'],
      registers,
    })
    this.#seconds = new Histogram({
      name: 'coffer_replication_seconds',
      help: 'From the commit of a version or change to its arrival.',
      labelNames: ['destination'],
      buckets: SECONDS,
      registers,
    })
  }

  readonly settled = ({ destination, outcome, sizeBytes, waitedMs }: SettledReplication): void => {
    this.#entries.inc({ destination, outcome })
    if (outcome === 'failed') return
    this.#bytes.inc({ destination }, sizeBytes)
    this.#seconds.observe({ destination }, waitedMs / 1000)
  }
}
