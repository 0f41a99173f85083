import type { EventPlace } from '@coffer/contracts'

const KEPT = 'kept/'
const DEAD = 'dead/'

/** The outbox queue of a target: events are committed into the one that has its name. */
export function queueOf(target: string, place: EventPlace): string {
  if (place === 'waiting') return target
  return (place === 'kept' ? KEPT : DEAD) + target
}

/** The target whose events a queue holds; undefined: it is a listener's. */
export function targetOf(queue: string): string | undefined {
  const bare = queue.startsWith(KEPT)
    ? queue.slice(KEPT.length)
    : queue.startsWith(DEAD)
      ? queue.slice(DEAD.length)
      : queue
  return bare.includes('/') ? undefined : bare
}
