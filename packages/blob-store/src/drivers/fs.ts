import { constants } from 'node:fs'
import { type FileHandle, open, opendir, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { isBlobId } from '../blob-id.ts'
import type { BlobId, BlobSource, OpenBlob, OwnedBlobStore } from '../blob-store.ts'
import { blobError } from '../errors.ts'
import { AlignedBuffers } from './fs/aligned-buffers.ts'
import { type BlobWriter, CachedWriter } from './fs/blob-writer.ts'
import { DirectFile } from './fs/direct-file.ts'
import { canWriteDirectly } from './fs/direct-io-probe.ts'
import { DirectWriter } from './fs/direct-writer.ts'
import { asBlobError, hasCode } from './fs/file-system-errors.ts'
import { Folders } from './fs/folders.ts'
import { OpenFile } from './fs/open-blob.ts'
import { claimOwner, readOwner } from './fs/owner.ts'
import { RecentChunks } from './fs/recent-chunks.ts'

export interface FsBlobStoreOptions {
  /** Made if it is not there. */
  readonly directory: string
  /** Write, and read for the first time, past the page cache where the file system can (docs/decisions/0004); on by default. */
  readonly directIo?: boolean
}

/** About 1 MiB each: 16 uploads at once write one while they fill the other, the rest go through the page cache. */
const BUFFERS_MAX = 32
/** Of 1 MiB: what was read since this many chunks ago is kept by the page cache when it is read again. */
const RECENT_CHUNKS_MAX = 8192
/** Of the random part: folders fill evenly whatever the writers. */
const FOLDER_AT = 17
const WRITE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL

interface BlobPath {
  readonly folder: string
  readonly path: string
}

/**
 * Blobs as files: `<directory>/<2 hex>/<blob id>`, 0600 in folders of 0700. File and folder are synced before a write resolves.
 *
 * @example const blobs = await openFsBlobStore({ directory: 'data/blobs' })
 */
export async function openFsBlobStore(options: FsBlobStoreOptions): Promise<OwnedBlobStore> {
  const folders = await Folders.in(options.directory)
  const buffers = new AlignedBuffers(BUFFERS_MAX)
  const isDirect = (options.directIo ?? true) && canWriteDirectly(options.directory, buffers)
  return new FsBlobStore(folders, isDirect ? buffers : undefined)
}

/** Whose a directory is, by looking only; undefined: nobody's, or it is not there. BLOB_... */
export async function readDirectoryOwner(directory: string): Promise<string | undefined> {
  return await readOwner(directory).catch((error: unknown) => {
    throw asBlobError(error)
  })
}

class FsBlobStore implements OwnedBlobStore {
  readonly #folders: Folders
  readonly #buffers: AlignedBuffers | undefined
  readonly #recent = new RecentChunks(RECENT_CHUNKS_MAX)

  constructor(folders: Folders, buffers: AlignedBuffers | undefined) {
    this.#folders = folders
    this.#buffers = buffers
  }

  async write(blobId: BlobId, source: BlobSource): Promise<number> {
    const { folder, path } = this.#pathOf(blobId)
    const { file, writer } = await this.#create(blobId, path)
    let isSourceTurn = true
    try {
      let sizeBytes = 0
      for await (const piece of source) {
        isSourceTurn = false
        sizeBytes += piece.length
        const taken = writer.write(piece)
        if (taken !== undefined) await taken
        if (writer.copies) source.release?.(piece)
        isSourceTurn = true
      }
      isSourceTurn = false
      await writer.end()
      // At once: both wait for the same journal commit.
      await allSucceed([file.datasync(), this.#folders.sync(folder)])
      await file.close()
      return sizeBytes
    } catch (error) {
      // Waits for writes under way.
      await file.close().catch(() => undefined)
      await unlink(path).catch(() => undefined)
      throw isSourceTurn ? error : asBlobError(error, blobId)
    } finally {
      writer.release()
    }
  }

  async open(blobId: BlobId): Promise<OpenBlob> {
    const { path } = this.#pathOf(blobId)
    const file = await open(path, constants.O_RDONLY).catch((error: unknown) => {
      throw hasCode(error, 'ENOENT') ? blobError('BLOB_NOT_FOUND', { blobId }) : asBlobError(error, blobId)
    })
    try {
      const { size } = await file.stat()
      const direct = this.#buffers && { file: new DirectFile(path, this.#buffers), recent: this.#recent }
      return new OpenFile(blobId, file, size, direct)
    } catch (error) {
      await file.close().catch(() => undefined)
      throw asBlobError(error, blobId)
    }
  }

  async delete(blobId: BlobId): Promise<void> {
    const { path } = this.#pathOf(blobId)
    await unlink(path).catch((error: unknown) => {
      if (!hasCode(error, 'ENOENT')) throw asBlobError(error, blobId)
    })
  }

  async *list(): AsyncGenerator<{ blobId: BlobId; sizeBytes: number }> {
    try {
      for (const name of this.#folders.names) yield* listFolder(this.#folders.pathOf(name))
    } catch (error) {
      throw asBlobError(error)
    }
  }

  async close(): Promise<void> {
    await this.#folders.close()
  }

  async readOwner(): Promise<string | undefined> {
    return await readDirectoryOwner(this.#folders.directory)
  }

  async claim(owner: string): Promise<string> {
    return await claimOwner(this.#folders.directory, owner).catch((error: unknown) => {
      throw asBlobError(error)
    })
  }

  async #create(blobId: BlobId, path: string): Promise<{ file: FileHandle; writer: BlobWriter }> {
    const buffer = this.#buffers?.tryAcquire()
    try {
      if (this.#buffers === undefined || buffer === undefined) {
        const file = await open(path, WRITE_FLAGS, 0o600)
        return { file, writer: new CachedWriter(file) }
      }
      const file = await open(path, WRITE_FLAGS | constants.O_DIRECT, 0o600)
      return { file, writer: new DirectWriter(file, this.#buffers, buffer) }
    } catch (error) {
      if (buffer !== undefined) this.#buffers?.release(buffer)
      throw hasCode(error, 'EEXIST') ? blobError('BLOB_EXISTS', { blobId }) : asBlobError(error, blobId)
    }
  }

  /** BLOB_NOT_FOUND for what is no blob id: it can't be a path out of the directory. */
  #pathOf(blobId: BlobId): BlobPath {
    if (!isBlobId(blobId)) throw blobError('BLOB_NOT_FOUND', { blobId })
    const folder = blobId.slice(FOLDER_AT, FOLDER_AT + 2)
    return { folder, path: join(this.#folders.pathOf(folder), blobId) }
  }
}

async function* listFolder(folder: string): AsyncGenerator<{ blobId: BlobId; sizeBytes: number }> {
  for await (const { name } of await opendir(folder)) {
    if (!isBlobId(name)) continue
    const found = await stat(join(folder, name)).catch((error: unknown) => {
      // Deleted since its name was read.
      if (!hasCode(error, 'ENOENT')) throw error
    })
    if (found !== undefined) yield { blobId: name, sizeBytes: found.size }
  }
}

/** Like Promise.all, but rejects only when all have ended: what failed is cleaned up with nothing under way. */
async function allSucceed(promises: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(promises)) {
    if (result.status === 'rejected') throw result.reason
  }
}
