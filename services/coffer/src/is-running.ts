import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Configuration } from '@coffer/config'
import { takeFileLock, whyNotLocked } from './file-lock.ts'

/** Whether a server runs on the store now. */
export function isRunning(configuration: Pick<Configuration, 'dataDir'>): boolean {
  const path = join(resolve(configuration.dataDir), 'lock')
  // Taking a lock makes its file: nothing is to be changed here.
  if (!existsSync(path)) return false
  try {
    takeFileLock(path)()
    return false
  } catch (error) {
    return whyNotLocked(error) === 'busy'
  }
}
