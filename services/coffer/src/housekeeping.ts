import type { Logger, Mesh } from '@coffer/mesh'

const INTERVAL_MS = 60_000

/** Removes blobs that nothing refers to, at the start and each minute. Returns what ends it. */
export function startHousekeeping(mesh: Mesh, logger: Logger): () => Promise<void> {
  let running: Promise<void> | undefined
  const run = () => {
    running ??= scrub(mesh, logger).finally(() => {
      running = undefined
    })
  }
  run()
  const timer = setInterval(run, INTERVAL_MS)
  return async () => {
    clearInterval(timer)
    await running
  }
}

async function scrub(mesh: Mesh, logger: Logger): Promise<void> {
  try {
    const report = await mesh.use('rotation').scrub()
    if (report.orphansRemoved + report.garbageRemoved > 0) {
      const { orphansRemoved, garbageRemoved } = report
      logger.info({ orphansRemoved, garbageRemoved }, 'unreferenced object data removed')
    }
    for (const { blobId, problem } of report.damaged) logger.error({ blobId, problem }, 'object data is damaged')
  } catch (error) {
    logger.error({ err: error }, 'unreferenced object data could not be removed; the next attempt is in a minute')
  }
}
