import type { KmsConnector } from '@coffer/kms'
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { COMMITS } from '../metadata-commits.ts'
import { type CallObserver, observeCalls } from './observe-calls.ts'

const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10]

/** Calls of one kind: how many ended how, and how long they took, by who is called and for what. */
class Calls<Labels extends string> {
  readonly #total: Counter<Labels | 'outcome'>
  readonly #seconds: Histogram<Labels>

  constructor(
    registry: Registry,
    names: { readonly total: string; readonly seconds: string; readonly of: string; readonly labels: Labels[] },
  ) {
    const { total, seconds, of, labels } = names
    const registers = [registry]
    const labelNames: (Labels | 'outcome')[] = [...labels, 'outcome']
    this.#total = new Counter({
      name: total,
      help: `${of} by outcome: ok, refused, unavailable.`,
      labelNames,
      registers,
    })
    this.#seconds = new Histogram({
      name: seconds,
      help: `How long they take: ${of}.`,
      labelNames: labels,
      buckets: SECONDS,
      registers,
    })
  }

  observer(labels: Record<Labels, string>): CallObserver {
    return (outcome, seconds) => {
      this.#total.inc({ ...labels, outcome } as Record<Labels | 'outcome', string>)
      this.#seconds.observe(labels, seconds)
    }
  }
}

/** Calls that leave the process, or wait for a disk: to a KMS, to other services, and commits of metadata. */
export class CallMetrics {
  readonly #kms: Calls<'connector' | 'method'>
  readonly #mesh: Calls<'service' | 'method'>
  readonly #commits: Calls<'method'>
  readonly #breakers: Gauge<'connector'>
  readonly #meshObservers = new Map<string, CallObserver>()

  constructor(registry: Registry) {
    this.#kms = new Calls(registry, {
      total: 'coffer_kms_calls_total',
      seconds: 'coffer_kms_call_seconds',
      of: 'Calls to a KMS',
      labels: ['connector', 'method'],
    })
    this.#mesh = new Calls(registry, {
      total: 'coffer_mesh_calls_total',
      seconds: 'coffer_mesh_call_seconds',
      of: 'Calls to services in other processes',
      labels: ['service', 'method'],
    })
    this.#commits = new Calls(registry, {
      total: 'coffer_metadata_commits_total',
      seconds: 'coffer_metadata_commit_seconds',
      of: 'Writes to the metadata store',
      labels: ['method'],
    })
    this.#breakers = new Gauge({
      name: 'coffer_kms_breaker_open',
      help: '1 while calls to a KMS fail at once because it has not answered; of several processes the worst.',
      labelNames: ['connector'],
      aggregator: 'max',
      registers: [registry],
    })
  }

  /** A connector whose calls are counted: `metered(resilient(connector))` counts what callers see, retries and all. */
  metered(connector: KmsConnector): KmsConnector {
    this.#breakers.set({ connector: connector.name }, 0)
    return observeCalls(connector, (method) =>
      method === 'close' ? undefined : this.#kms.observer({ connector: connector.name, method }),
    )
  }

  breakerOf(connector: string): (isOpen: boolean) => void {
    return (isOpen) => this.#breakers.set({ connector }, isOpen ? 1 : 0)
  }

  /** A metadata store whose writes are counted. */
  countingCommits<Store extends object>(store: Store): Store {
    return observeCalls(store, (method) => (COMMITS.has(method) ? this.#commits.observer({ method }) : undefined))
  }

  /** Of an action of the mesh, `service.method`; the contracts bound their number. */
  meshObserver(action: string): CallObserver {
    const known = this.#meshObservers.get(action)
    if (known !== undefined) return known
    const [service = '', method = ''] = action.split('.', 2)
    const observer = this.#mesh.observer({ service, method })
    this.#meshObservers.set(action, observer)
    return observer
  }
}
