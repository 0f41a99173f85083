import { randomUUID } from 'node:crypto'
import { link, open, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Makes a file that is either wholly there or not at all, and on stable storage when the promise resolves. Rejects with
 * EEXIST if `path` exists: a key that is in use is never written over.
 */
export async function writeNewFile(path: string, bytes: Uint8Array | string, mode: number): Promise<void> {
  const unfinished = `${path}.${randomUUID()}.tmp`
  try {
    const handle = await open(unfinished, 'wx', mode)
    try {
      await handle.writeFile(bytes)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await link(unfinished, path)
  } finally {
    await unlink(unfinished).catch(() => {})
  }
  await syncDirectory(dirname(path))
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
