import { setTimeout as sleep } from 'node:timers/promises'
import type { Mesh } from '@coffer/mesh'
import type { OutboxEntry } from '@coffer/metadata-store'
import type { TaskPlace } from './task-place.ts'
import { tellLate } from './tell-outcome.ts'

interface Watched {
  readonly mesh: Mesh
  readonly queue: string
  /** Of Replication Time Control. */
  readonly thresholdMs: number
  /** Undefined: it is damaged, and dropped. */
  readonly open: (entry: OutboxEntry) => Promise<TaskPlace | undefined>
}

const LOOK_MS = 1_000
const PAGE = 64

/**
 * Looks for what waits for longer than Replication Time Control has it, also while the destination is away. Each is told of once:
 * its record says so, and what this process has looked at it does not look at again.
 */
export async function watchForLate({ mesh, queue, thresholdMs, open }: Watched, signal: AbortSignal): Promise<void> {
  let afterId = ''
  const look = async () => {
    const dueBefore = Date.now() - thresholdMs
    for (;;) {
      const entries = await mesh.use('metadata').listEvents({ queue, afterId, limit: PAGE })
      for (const entry of entries) {
        if (signal.aborted || entry.createdAt > dueBefore) return
        const place = await open(entry)
        if (place?.task.timeControl) await tellLate(mesh, place)
        afterId = entry.id
      }
      if (entries.length < PAGE) return
    }
  }
  while (!signal.aborted) {
    // What could not be looked at now (the KMS is away) is looked at the next time: nothing is passed over.
    await look().catch(() => undefined)
    await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined)
  }
}
