import { chmodSync, existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'

/** Primary result codes of SQLite (sqlite.org/rescode.html). */
const SQLITE_BUSY = 5
const SQLITE_NOTADB = 26

/** So that a lock lives until it is released, even if the caller forgets it: a collected database is closed. */
const locks = new Set<DatabaseSync>()

/**
 * Takes a lock that the kernel takes back however the process ends; returns how to let go of it. Throws SQLite's error: see
 * {@link whyNotLocked}. The file is made, and stays.
 *
 * SQLite's exclusive lock is a POSIX lock on the file: it is gone with the process, and it holds between containers. Nothing
 * else in this process may open that file: closing it would drop the lock (fcntl(2), "record locks").
 */
export function takeFileLock(path: string): () => void {
  const isNew = !existsSync(path)
  let lock: DatabaseSync | undefined
  try {
    lock = new DatabaseSync(path, { timeout: 0 })
    if (isNew) chmodSync(path, 0o600)
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (error) {
    lock?.close()
    throw error
  }
  const taken = lock
  locks.add(taken)
  return () => {
    if (locks.delete(taken)) taken.close()
  }
}

/** `busy`: another process holds it. `foreign`: the file is no lock. */
export function whyNotLocked(error: unknown): 'busy' | 'foreign' | 'unwritable' {
  const resultCode = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : undefined
  if (resultCode === SQLITE_BUSY) return 'busy'
  return resultCode === SQLITE_NOTADB ? 'foreign' : 'unwritable'
}
