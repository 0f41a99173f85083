import { setTimeout as pause } from 'node:timers/promises'
import type { MetadataService } from '@coffer/contracts'
import { isCofferError } from '@coffer/errors'

const LOOK_MS = 500

/** Resolves once the store says that it was moved elsewhere; never, if `until` comes first. */
export async function whenMoved(metadata: Pick<MetadataService, 'getKeyUse'>, until: AbortSignal): Promise<void> {
  while (!until.aborted) {
    try {
      await metadata.getKeyUse('moved')
    } catch (error) {
      if (isMoved(error)) return
    }
    await pause(LOOK_MS, undefined, { signal: until }).catch(() => undefined)
  }
  await new Promise(() => {})
}

/**
 * Starts anew where the metadata was moved to, as soon as that opens: whoever moves it has its last steps to do, or is dead and will
 * be run again. Undefined: the order to stop came first. Rejects with why it does not open, if that takes longer than `waitMsMax`.
 */
export async function onceOpen<Run>(
  start: () => Promise<Run>,
  stopping: Promise<unknown>,
  waitMsMax = Number.POSITIVE_INFINITY,
): Promise<Run | undefined> {
  const endAtMs = performance.now() + waitMsMax
  for (;;) {
    try {
      return await start()
    } catch (error) {
      // Who looks whether a server runs takes the directory's lock for a moment.
      const isPassing = isCofferError(error, 'META_STORE_CLOSED') || isCofferError(error, 'DATA_DIRECTORY_IN_USE')
      if (!isPassing || performance.now() > endAtMs) throw error
    }
    if (await Promise.race([stopping.then(() => true), pause(LOOK_MS, false)])) return undefined
  }
}

/** A store that was moved takes no more notice of a writer: whoever opens it where it is now retires those of before. */
export async function retireWhereKept(
  metadata: Pick<MetadataService, 'retireWriter'>,
  writerId: string,
): Promise<void> {
  try {
    await metadata.retireWriter(writerId)
  } catch (error) {
    if (!isMoved(error)) throw error
  }
}

export function isMoved(error: unknown): boolean {
  return isCofferError(error, 'META_STORE_CLOSED') && error.details.closed === 'moved'
}
