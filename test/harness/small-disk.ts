import { spawnSync } from 'node:child_process'
import { closeSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryDirectory } from './start-server.ts'

const BLOCK_BYTES = 1024 * 1024

/** A file system of its own that a test can fill. */
export interface SmallDisk {
  readonly path: string
  /** False where this user may not mount: then it is an ordinary directory. */
  readonly isMounted: boolean
  /** Leaves about so many bytes. Returns the file that takes the rest: who removes it makes room. */
  fill(freeBytes?: number): string
  unmount(): void
}

export function mountSmallDisk(sizeBytes: number): SmallDisk {
  const path = temporaryDirectory('small-disk')
  const isMounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', path]).status === 0
  return {
    path,
    isMounted,
    fill(freeBytes = 0) {
      if (!isMounted) throw new Error('this would fill the disk of the machine')
      const file = join(path, 'filler')
      const blocks = Buffer.alloc(BLOCK_BYTES)
      const descriptor = openSync(file, 'w')
      try {
        for (let left = freeNow(path) - freeBytes; left > 0; left = freeNow(path) - freeBytes) {
          writeSync(descriptor, blocks, 0, Math.min(left, BLOCK_BYTES))
        }
      } catch (error) {
        // Somebody else was faster with the last of it.
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
      } finally {
        closeSync(descriptor)
      }
      return file
    },
    unmount() {
      // Also where a process still has a file of it open.
      if (isMounted) spawnSync('umount', ['-l', path])
      rmSync(path, { recursive: true, force: true })
    },
  }
}

function freeNow(path: string): number {
  const { bavail, bsize } = statfsSync(path)
  return bavail * bsize
}
