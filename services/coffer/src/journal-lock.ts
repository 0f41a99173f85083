import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { takeFileLock, whyNotLocked } from './file-lock.ts'

/**
 * Held beside the data directory's lock by servers whose processes keep a journal of a store that is being moved: those of
 * versions before hold only the other one.
 */
export const JOURNAL_LOCK = 'journal-lock'
/** Held by the one migration of a data directory. */
export const MIGRATION_LOCK = 'migration-lock'
const ATTEMPTS_MAX = 100
const PAUSE_MS = 20

/** For a server, which holds the directory's own lock: whoever else has this one only looks whether it is held. */
export async function holdJournalLock(root: string): Promise<() => void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return takeFileLock(join(root, JOURNAL_LOCK))
    } catch (error) {
      if (attempt === ATTEMPTS_MAX || whyNotLocked(error) !== 'busy') throw error
      await pause(PAUSE_MS)
    }
  }
}

/** Whether the server that runs on the directory, if there is one, keeps a journal. `lock`: the name of the directory's own lock. */
export function keepsJournal(root: string, lock: string): boolean {
  const release = tryLock(root, JOURNAL_LOCK)
  if (release === undefined) return true
  try {
    const releaseOther = tryLock(root, lock)
    releaseOther?.()
    return releaseOther !== undefined
  } finally {
    release()
  }
}

/** Undefined: another process holds it. */
export function tryLock(root: string, name: string): (() => void) | undefined {
  try {
    return takeFileLock(join(root, name))
  } catch (error) {
    if (whyNotLocked(error) === 'busy') return undefined
    throw error
  }
}
