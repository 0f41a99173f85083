import { randomUUID } from 'node:crypto'
import { closeSync, constants, openSync, unlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type AlignedBuffers, BLOCK_BYTES } from './aligned-buffers.ts'

/**
 * Whether files in a directory can be written with O_DIRECT from these buffers. Asked of the file system by trying, since no
 * call tells: some refuse to open (EINVAL on tmpfs before Linux 6.6, FUSE), some to write (devices of larger blocks), and
 * macOS has no such flag. After any failure, a full disk too, the page cache serves. The file loses its name as soon as it is open,
 * in one go: a process that is killed while it tries leaves nothing behind.
 */
export function canWriteDirectly(directory: string, buffers: Pick<AlignedBuffers, 'tryAcquire' | 'release'>): boolean {
  if (constants.O_DIRECT === undefined) return false
  const buffer = buffers.tryAcquire()
  if (buffer === undefined) return false
  try {
    return writesDirectly(join(directory, `direct-io-probe-${randomUUID()}`), buffer)
  } catch {
    return false
  } finally {
    buffers.release(buffer)
  }
}

function writesDirectly(path: string, buffer: Uint8Array): boolean {
  const file = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_DIRECT, 0o600)
  try {
    unlinkSync(path)
    return writeSync(file, buffer, 0, BLOCK_BYTES, 0) === BLOCK_BYTES
  } finally {
    closeSync(file)
  }
}
