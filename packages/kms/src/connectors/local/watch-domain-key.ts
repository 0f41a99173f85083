import type { DomainKey } from './domain-key.ts'

const LOOK_INTERVAL_MS = 1_000
/** How long a new domain key is handed over: ten looks of each process, so that one that is busy does not miss it. */
export const HANDOVER_MS = 10_000
/** Whoever replaces the root key finishes it. Where that was killed, each process that runs does, after this long. */
const ABANDONED_AFTER_MS = 2 * HANDOVER_MS

/** Learns of a new domain key while it is handed over, and finishes a replacement that was abandoned. Returns how to stop. */
export function watchDomainKey(domainKey: DomainKey): () => Promise<void> {
  let looking: Promise<void> | undefined
  const timer = setInterval(() => {
    looking ??= look(domainKey).finally(() => {
      looking = undefined
    })
  }, LOOK_INTERVAL_MS)
  timer.unref()
  return async () => {
    clearInterval(timer)
    await looking
  }
}

async function look(domainKey: DomainKey): Promise<void> {
  try {
    await domainKey.refresh()
    const { transitionSeenAt } = domainKey
    const isAbandoned = transitionSeenAt !== undefined && Date.now() - transitionSeenAt > ABANDONED_AFTER_MS
    if (isAbandoned) await domainKey.finishReplacement(0)
  } catch {
    // The store may be away for a moment; what lasts fails in the calls that need it, and is told there.
  }
}
