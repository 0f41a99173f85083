import { setTimeout as sleep } from 'node:timers/promises'
import type { ScrubReport } from '@coffer/contracts'
import type { Logger, Mesh } from '@coffer/mesh'
import { LeftBucketKeys } from './left-bucket-keys.ts'
import { LifecyclePasses } from './lifecycle-passes.ts'

const GARBAGE_INTERVAL_MS = 60_000
/** A scrub of a large store takes longer than a stop may; what it leaves is found at the next start. */
const STOP_TIMEOUT_MS = 3_000

type OnScrub = (report: ScrubReport) => void

export interface Housekeeping {
  /** Walks the whole blob store: at the start, and when a writer has died with work unfinished. */
  scrubSoon(): void
  /** Ends it, after what is under way if that ends soon. */
  stop(): Promise<void>
}

/**
 * Erases keys whose deletion is due, rotates those whose period is over, applies lifecycle rules, and removes object data that nothing refers to: what dead writers left,
 * at once; what commits dropped, each minute.
 */
export function startHousekeeping(mesh: Mesh, logger: Logger, onScrub?: OnScrub): Housekeeping {
  const lifecycle = new LifecyclePasses(mesh, logger)
  const leftBucketKeys = new LeftBucketKeys(mesh, logger)
  let running: Promise<void> = Promise.resolve()
  let isScrubWanted = false
  let lastScrub: ScrubReport | undefined
  let isStopped = false
  const runNext = () => {
    running = running.then(async () => {
      if (isStopped) return
      const wasWanted = isScrubWanted
      isScrubWanted = false
      const isUnfinished = lastScrub !== undefined && lastScrub.incomplete.length > 0
      if (wasWanted || isUnfinished) {
        lastScrub = (await scrub(mesh, logger, wasWanted ? undefined : lastScrub)) ?? lastScrub
        if (lastScrub) onScrub?.(lastScrub)
      }
      if (!wasWanted) await removeGarbage(mesh, logger)
      await destroyDueKeys(mesh, logger)
      await rotateDueKeys(mesh, logger)
      await leftBucketKeys.removeEachHour()
      await lifecycle.turn(() => isStopped)
    })
  }
  const scrubSoon = () => {
    if (isScrubWanted) return
    isScrubWanted = true
    runNext()
  }
  scrubSoon()
  const timer = setInterval(runNext, GARBAGE_INTERVAL_MS)
  return {
    scrubSoon,
    async stop() {
      isStopped = true
      clearInterval(timer)
      const cutOff = new AbortController()
      await Promise.race([running, sleep(STOP_TIMEOUT_MS, undefined, { signal: cutOff.signal }).catch(() => {})])
      cutOff.abort()
    },
  }
}

/** All stores; or only those that an earlier pass had to leave out, and what both have found. */
async function scrub(mesh: Mesh, logger: Logger, earlier: ScrubReport | undefined): Promise<ScrubReport | undefined> {
  try {
    const stores = earlier?.incomplete.map(({ store }) => store)
    const report = await mesh.use('rotation').scrub(stores && { stores })
    const { orphansRemoved, garbageRemoved, damaged, incomplete } = report
    if (orphansRemoved + garbageRemoved > 0)
      logger.info({ orphansRemoved, garbageRemoved }, 'unreferenced data removed')
    // A store that fails in the middle is gone through again each minute, and shows the same damage each time.
    const known = new Map((earlier?.damaged ?? []).map((one) => [one.blobId, one]))
    for (const one of damaged) {
      const { blobId, problem } = one
      if (known.get(blobId)?.problem !== problem) logger.error({ blobId, problem }, 'object data is damaged')
      known.set(blobId, one)
    }
    for (const { store, code } of incomplete) {
      const isKnown = earlier?.incomplete.some((one) => one.store === store && one.code === code)
      if (!isKnown) logger.warn({ store, code }, 'a blob store could not be scrubbed; it is tried again each minute')
    }
    return { ...report, damaged: [...known.values()] }
  } catch (error) {
    logger.error({ err: error }, 'the scrub failed; the next is at the next start or death of a worker')
    return undefined
  }
}

async function destroyDueKeys(mesh: Mesh, logger: Logger): Promise<void> {
  try {
    const { destroyed, stillNeeded } = await mesh.use('kms').destroyDueKeys()
    for (const key of destroyed) logger.warn({ audit: 'keys', key }, 'a master key is destroyed: its deletion was due')
    for (const key of stillNeeded)
      logger.warn({ key }, 'a master key is kept although its deletion is due: it is needed')
  } catch (error) {
    logger.error({ err: error }, 'keys whose deletion is due could not be looked for; the next attempt is in a minute')
  }
}

async function rotateDueKeys(mesh: Mesh, logger: Logger): Promise<void> {
  try {
    const { rotated, failed } = await mesh.use('kms').rotateDueKeys()
    for (const key of rotated) logger.info({ audit: 'keys', key }, 'a master key is rotated: its period was over')
    for (const key of failed)
      logger.warn({ key }, 'a master key whose period is over could not be rotated; the next attempt is in a minute')
  } catch (error) {
    logger.error({ err: error }, 'keys whose period is over could not be looked for; the next attempt is in a minute')
  }
}

async function removeGarbage(mesh: Mesh, logger: Logger): Promise<void> {
  try {
    const garbageRemoved = await mesh.use('rotation').removeGarbage()
    if (garbageRemoved > 0) logger.info({ garbageRemoved }, 'unreferenced data removed')
  } catch (error) {
    logger.error({ err: error }, 'unreferenced data could not be removed; the next attempt is in a minute')
  }
}
