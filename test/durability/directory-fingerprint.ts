import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** LMDB's table of readers: scratch memory of running processes, which even a look into the store uses. */
const SCRATCH = join('metadata', 'lock.mdb')

/** Every entry below a directory with its mode and, for files, the SHA-256 of its bytes. */
export function fingerprint(directory: string): Record<string, string> {
  const entries = readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => name !== SCRATCH)
    .sort()
  return Object.fromEntries(
    entries.map((name) => {
      const path = join(directory, name)
      const stat = lstatSync(path)
      const content = stat.isFile() ? createHash('sha256').update(readFileSync(path)).digest('hex') : ''
      return [name, `${stat.mode.toString(8)} ${content}`]
    }),
  )
}
