import { readFile } from 'node:fs/promises'
import { eventTargetError } from './errors.ts'

const FILE_BYTES_MAX = 64 * 1024

/** The text of a file, without the line end. EVENT_TARGET_SECRET_UNREADABLE. */
export async function readSecretFile(path: string): Promise<string> {
  try {
    const bytes = await readFile(path)
    if (bytes.length > 0 && bytes.length <= FILE_BYTES_MAX) return bytes.toString('utf8').trimEnd()
  } catch (cause) {
    throw eventTargetError('EVENT_TARGET_SECRET_UNREADABLE', { path }, { cause })
  }
  throw eventTargetError('EVENT_TARGET_SECRET_UNREADABLE', { path })
}
