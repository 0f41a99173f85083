import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, opendir, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isBlobId } from '../blob-id.ts'
import type { BlobId, BlobSource, BlobStore, OpenBlob } from '../blob-store.ts'
import { blobError } from '../errors.ts'
import { AlignedBuffers } from './fs/aligned-buffers.ts'
import { type BlobWriter, CachedWriter } from './fs/blob-writer.ts'
import { DirectWriter } from './fs/direct-writer.ts'
import { OpenFile } from './fs/open-blob.ts'

export interface FsBlobStoreOptions {
  /** Made if it is not there. */
  readonly directory: string
  /** Write past the page cache where the file system can; on by default. */
  readonly directIo?: boolean
}

const FANOUT = 256
const BUFFERS_MAX = 48
/** Of the random part: folders fill evenly whatever the writers. */
const FOLDER_AT = 17
const WRITE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL

/** Blobs as files: `<directory>/<2 hex>/<blob id>`, 0600 in folders of 0700. A file is synced before its folder. */
export async function openFsBlobStore(options: FsBlobStoreOptions): Promise<BlobStore> {
  const { directory } = options
  await mkdir(directory, { recursive: true, mode: 0o700 })
  for (let index = 0; index < FANOUT; index++) {
    await mkdir(join(directory, folderNamed(index)), { mode: 0o700 }).catch(ignore('EEXIST'))
  }
  await syncFolder(directory)
  return new FsBlobStore(directory, options.directIo ?? true)
}

class FsBlobStore implements BlobStore {
  readonly #directory: string
  readonly #buffers = new AlignedBuffers(BUFFERS_MAX)
  #directIo: boolean

  constructor(directory: string, directIo: boolean) {
    this.#directory = directory
    this.#directIo = directIo && constants.O_DIRECT !== undefined
  }

  async write(blobId: BlobId, source: BlobSource): Promise<number> {
    const path = this.#pathOf(blobId)
    const { file, writer } = await this.#create(blobId, path)
    try {
      let sizeBytes = 0
      for await (const piece of source) {
        sizeBytes += piece.length
        await writer.write(piece)
      }
      await writer.end()
      await file.datasync()
      await file.close()
      await syncFolder(dirname(path))
      return sizeBytes
    } catch (error) {
      await file.close().catch(() => undefined)
      await unlink(path).catch(() => undefined)
      throw storeError(error, blobId)
    } finally {
      writer.release()
    }
  }

  async open(blobId: BlobId): Promise<OpenBlob> {
    const file = await open(this.#pathOf(blobId), constants.O_RDONLY).catch((cause: unknown) => {
      throw codeOf(cause) === 'ENOENT' ? blobError('BLOB_NOT_FOUND', { blobId }) : storeError(cause, blobId)
    })
    const { size } = await file.stat()
    return new OpenFile(blobId, file, size)
  }

  async delete(blobId: BlobId): Promise<void> {
    await unlink(this.#pathOf(blobId)).catch((error: unknown) => {
      if (codeOf(error) !== 'ENOENT') throw storeError(error, blobId)
    })
  }

  async *list(): AsyncGenerator<{ blobId: BlobId; sizeBytes: number }> {
    for (let index = 0; index < FANOUT; index++) {
      const folder = join(this.#directory, folderNamed(index))
      for await (const { name } of await opendir(folder)) {
        if (!isBlobId(name)) continue
        const found = await stat(join(folder, name)).catch(ignore('ENOENT'))
        if (found !== undefined) yield { blobId: name, sizeBytes: found.size }
      }
    }
  }

  async close(): Promise<void> {}

  async #create(blobId: BlobId, path: string): Promise<{ file: FileHandle; writer: BlobWriter }> {
    const buffer = this.#directIo ? this.#buffers.tryAcquire() : undefined
    if (buffer !== undefined) {
      try {
        const file = await open(path, WRITE_FLAGS | constants.O_DIRECT, 0o600)
        return { file, writer: new DirectWriter(file, this.#buffers, buffer) }
      } catch (error) {
        this.#buffers.release(buffer)
        // tmpfs and some network file systems know no direct I/O: from now on the page cache does.
        if (codeOf(error) !== 'EINVAL' && codeOf(error) !== 'EOPNOTSUPP') throw createError(error, blobId)
        this.#directIo = false
        await unlink(path).catch(() => undefined)
      }
    }
    try {
      const file = await open(path, WRITE_FLAGS, 0o600)
      return { file, writer: new CachedWriter(file) }
    } catch (error) {
      throw createError(error, blobId)
    }
  }

  #pathOf(blobId: BlobId): string {
    if (!isBlobId(blobId)) throw blobError('BLOB_NOT_FOUND', { blobId })
    return join(this.#directory, blobId.slice(FOLDER_AT, FOLDER_AT + 2), blobId)
  }
}

function folderNamed(index: number): string {
  return index.toString(16).padStart(2, '0')
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

function createError(error: unknown, blobId: BlobId): Error {
  return codeOf(error) === 'EEXIST' ? blobError('BLOB_EXISTS', { blobId }) : storeError(error, blobId)
}

/** File system errors as ours; what the source of the bytes threw goes through as it is. */
function storeError(error: unknown, blobId: BlobId): Error {
  const code = codeOf(error)
  if (code === 'ENOSPC' || code === 'EDQUOT') return blobError('BLOB_STORE_FULL', { blobId }, { cause: error })
  const ofFileSystem = error instanceof Error && 'syscall' in error
  if (ofFileSystem) return blobError('BLOB_IO_FAILED', { blobId }, { cause: error })
  return error instanceof Error ? error : new Error('the source of a blob failed', { cause: error })
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

function ignore(code: string): (error: unknown) => undefined {
  return (error) => {
    if (codeOf(error) !== code) throw error
  }
}
