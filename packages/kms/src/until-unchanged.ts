import { setTimeout as sleep } from 'node:timers/promises'
import { isCofferError } from '@coffer/errors'
import { kmsError } from './errors.ts'

const ATTEMPTS_MAX = 16
/** Of many that meet in one record, each gets its turn. */
const WAIT_MS_PER_ATTEMPT = 4

/** Reads, changes and writes a record again where another process wrote it in between (META_RECORD_CHANGED). */
export async function untilUnchanged<T>(keyId: string, readAndWrite: () => Promise<T>): Promise<T> {
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    try {
      return await readAndWrite()
    } catch (error) {
      if (!isCofferError(error, 'META_RECORD_CHANGED')) throw error
    }
    if (attempt > 2) await sleep(Math.random() * attempt * WAIT_MS_PER_ATTEMPT)
  }
  throw kmsError('KMS_UNAVAILABLE', { keyId })
}
