import type { Mesh } from '@coffer/mesh'
import { destinationOf } from '@coffer/object-record'

const COUNT_MAX = 100_000

/** What waits for a destination, which it is named by the ARN of. */
export interface WaitingReplication {
  readonly destination: string
  /** Counted up to 100,000. */
  readonly waitingCount: number
  /** How long the first of them has waited. */
  readonly lagMs: number
  /** Versions and changes of them, and bytes of objects, that are to be sent there. Not what was committed before these were counted. */
  readonly pendingCount: number
  readonly pendingBytes: number
}

/** Destinations that nothing waits for are not in it. */
export async function replicationStatus(mesh: Mesh): Promise<readonly WaitingReplication[]> {
  const metadata = mesh.use('metadata')
  const waiting: WaitingReplication[] = []
  for (const queue of await metadata.listEventQueues()) {
    const destination = destinationOf(queue)
    if (destination === undefined) continue
    const [first] = await metadata.listEvents({ queue, afterId: '', limit: 1 })
    if (first === undefined) continue
    const [waitingCount, totals] = await Promise.all([
      metadata.countEvents(queue, COUNT_MAX),
      metadata.getQueueTotals(queue),
    ])
    const lagMs = Math.max(0, Date.now() - first.createdAt)
    waiting.push({
      destination,
      waitingCount,
      lagMs,
      pendingCount: totals.entryCount,
      pendingBytes: totals.weightBytes,
    })
  }
  return waiting
}
