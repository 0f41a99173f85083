import { isCofferError } from '@coffer/errors'
import { kmsError } from './errors.ts'

const ATTEMPTS_MAX = 16

/** Reads, changes and writes a record again where another process wrote it in between (META_RECORD_CHANGED). */
export async function untilUnchanged<T>(keyId: string, readAndWrite: () => Promise<T>): Promise<T> {
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    try {
      return await readAndWrite()
    } catch (error) {
      if (!isCofferError(error, 'META_RECORD_CHANGED')) throw error
    }
  }
  throw kmsError('KMS_UNAVAILABLE', { keyId })
}
