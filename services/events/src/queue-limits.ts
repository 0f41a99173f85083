import type { MetadataService } from '@coffer/contracts'
import type { Logger } from '@coffer/mesh'
import { addDropped } from './dropped-events.ts'
import { queueOf, targetOf } from './queues.ts'

/** How many events may lie in each queue of a target. Looked after every few seconds: for as long it may be more. */
export interface QueueLimits {
  /** What is beyond it, the oldest first, becomes dead letters. */
  readonly waitingMax: number
  /** What is beyond it, the oldest first, is dropped: the only place where an event is lost, and it is counted. */
  readonly deadLettersMax: number
  /** Delivered events, kept for a replay. */
  readonly keptMax: number
}

const PAGE = 1_000
/** A surplus is counted up to this; the rest is found by the next look. */
const SURPLUS_MAX = 100_000

interface Parts {
  readonly metadata: MetadataService
  readonly logger: Logger
  readonly limits: QueueLimits
  readonly signal: AbortSignal
}

/**
 * Brings the queues of all targets within their limits, also of those that are configured no more: notifications that name them
 * go on filling their queues. Puts never wait for it.
 */
export async function keepWithinLimits(parts: Parts): Promise<void> {
  const { metadata, logger, limits, signal } = parts
  const targets = new Set((await metadata.listEventQueues()).flatMap((queue) => targetOf(queue) ?? []))
  for (const target of targets) {
    if (signal.aborted) return
    await take(parts, queueOf(target, 'kept'), limits.keptMax)
    const note = `more than ${limits.waitingMax} events waited`
    const buried = await take(parts, queueOf(target, 'waiting'), limits.waitingMax, {
      to: queueOf(target, 'dead-letters'),
      note,
    })
    if (buried > 0) logger.error({ audit: 'events', target, count: buried, note }, 'events are dead letters')
    const dropped = await take(parts, queueOf(target, 'dead-letters'), limits.deadLettersMax, {
      // Before they go: killed in between, it is counted what is still there.
      before: (count) => addDropped(metadata, target, count),
    })
    const why = `more than ${limits.deadLettersMax} dead letters`
    if (dropped > 0) logger.error({ audit: 'events', target, count: dropped, why }, 'events are dropped')
  }
}

/** Takes the oldest out of a queue, down to what it may hold; returns how many. */
async function take(
  { metadata, signal }: Parts,
  queue: string,
  countMax: number,
  { before, ...destination }: { to?: string; note?: string; before?: (count: number) => Promise<void> } = {},
): Promise<number> {
  const surplus = (await metadata.countEvents(queue, countMax + SURPLUS_MAX)) - countMax
  let taken = 0
  while (taken < surplus && !signal.aborted) {
    const entries = await metadata.listEvents({ queue, afterId: '', limit: Math.min(PAGE, surplus - taken) })
    if (entries.length === 0) break
    await before?.(entries.length)
    await metadata.moveEvents({ queue, ids: entries.map(({ id }) => id), ...destination })
    taken += entries.length
  }
  return taken
}
