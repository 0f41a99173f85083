import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { type AlignedBuffers, BLOCK_BYTES } from './aligned-buffers.ts'

/**
 * Whether files in a directory can be written with O_DIRECT from these buffers. Asked of the file system by trying, since no
 * call tells: some refuse to open (EINVAL on tmpfs before Linux 6.6, FUSE), some to write (devices of larger blocks), and
 * macOS has no such flag. After any failure, a full disk too, the page cache serves.
 */
export async function canWriteDirectly(
  directory: string,
  buffers: Pick<AlignedBuffers, 'tryAcquire' | 'release'>,
): Promise<boolean> {
  if (constants.O_DIRECT === undefined) return false
  const buffer = buffers.tryAcquire()
  if (buffer === undefined) return false
  const path = join(directory, `direct-io-probe-${randomUUID()}`)
  try {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_DIRECT
    await using file = await open(path, flags, 0o600)
    const { bytesWritten } = await file.write(buffer, 0, BLOCK_BYTES, 0)
    return bytesWritten === BLOCK_BYTES
  } catch {
    return false
  } finally {
    buffers.release(buffer)
    await unlink(path).catch(() => undefined)
  }
}
