import { randomUUID } from 'node:crypto'
import { link, open, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Makes a file that is either wholly there or not at all, and on stable storage when the promise resolves. Rejects with
 * EEXIST if `path` exists: a key that is in use is never written over.
 */
export async function writeNewFile(path: string, bytes: Uint8Array | string, mode: number): Promise<void> {
  const unfinished = `${path}.${randomUUID()}.tmp`
  try {
    await writeSynced(unfinished, bytes, mode)
    await link(unfinished, path)
  } finally {
    await unlink(unfinished).catch(() => {})
  }
  await syncDirectory(dirname(path))
}

/** Like {@link writeNewFile}, but replaces what is there. One process at a time: `<path>.new` is used on the way. */
export async function writeDurably(path: string, bytes: Uint8Array | string, mode: number): Promise<void> {
  const unfinished = `${path}.new`
  await unlink(unfinished).catch(() => {})
  await writeSynced(unfinished, bytes, mode)
  await moveDurably(unfinished, path)
}

/** Puts a file that is on stable storage in the place of another. */
export async function moveDurably(path: string, target: string): Promise<void> {
  await rename(path, target)
  await syncDirectory(dirname(target))
}

async function writeSynced(path: string, bytes: Uint8Array | string, mode: number): Promise<void> {
  const handle = await open(path, 'wx', mode)
  try {
    await handle.writeFile(bytes)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
