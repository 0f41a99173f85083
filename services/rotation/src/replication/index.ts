import { once } from 'node:events'
import { DestinationQueue, type ReplicationOptions } from './destination-queue.ts'

export type { ReplicationDestination } from './destination.ts'
export type { SettledReplication } from './destination-queue.ts'
export { openS3Destination } from './s3-destination.ts'

/** Replicates what waits for each destination. One at a time on a store: see `runReplication`. */
export function startReplication(options: ReplicationOptions): { stop(): Promise<void> } {
  const stopping = new AbortController()
  const queues = [...options.destinations].map(([arn, destination]) => new DestinationQueue(arn, destination, options))
  const work = queues.map((queue) => queue.run(stopping.signal))
  return {
    async stop() {
      stopping.abort()
      await Promise.all(work)
    },
  }
}

/** Replication for as long as a lease is held: of several processes one does it. */
export async function runReplication(held: AbortSignal, options: ReplicationOptions): Promise<void> {
  if (held.aborted) return
  const replication = startReplication(options)
  await once(held, 'abort')
  await replication.stop()
}
