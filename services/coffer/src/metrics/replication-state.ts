import type { Mesh } from '@coffer/mesh'
import { Gauge, type Registry } from 'prom-client'
import { replicationStatus } from '../replication-status.ts'
import type { StatePart } from './state-metrics.ts'

const AGE_MS_MAX = 10_000

/** What waits to be replicated, by destination: these are the operator's, as the replication file names them. */
export function replicationState(mesh: Mesh, registry: Registry): StatePart {
  const gauge = (name: string, help: string) =>
    new Gauge({ name, help, labelNames: ['destination'], aggregator: 'max', registers: [registry] })
  const waiting = gauge('coffer_replication_waiting', 'Versions that wait for a destination, counted up to 100,000.')
  const oldest = gauge('coffer_replication_oldest_seconds', 'How long the first version for a destination has waited.')
  const operations = gauge('coffer_replication_pending_operations', 'Versions and changes of them to be sent there.')
  const bytes = gauge('coffer_replication_pending_bytes', 'Bytes of objects that are to be sent there.')
  const forget = () => {
    for (const metric of [waiting, oldest, operations, bytes]) metric.reset()
  }
  return {
    ageMsMax: AGE_MS_MAX,
    forget,
    async read() {
      const status = await replicationStatus(mesh)
      forget()
      for (const { destination, waitingCount, lagMs, pendingCount, pendingBytes } of status) {
        waiting.set({ destination }, waitingCount)
        oldest.set({ destination }, lagMs / 1000)
        operations.set({ destination }, pendingCount)
        bytes.set({ destination }, pendingBytes)
      }
    },
  }
}
