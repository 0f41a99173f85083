import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { damaged } from '../rows/row.ts'

/*
 * LMDB's file begins with two meta pages, written in turns (mdb.c, `MDB_meta`). LMDB takes the one with the larger
 * transaction number and checks little of it: a byte that is changed there ends the process, or silently takes the store
 * back by a commit. So both are looked at before LMDB is given the file.
 *
 *   0   header of the page
 *   24  magic (4), format (4), address (8), size of the map (8)
 *   48  free list: page size (4), flags (2) ... root (8, at 88)
 *   96  main database: (4), flags (2) ... root (8, at 136)
 *   144 last page (8), transaction (8), boot id (8)
 *
 * Every page's header begins with its number (8) and the transaction that wrote it (8). Each commit writes the root of the
 * main database, since that holds the roots of the named ones: it has to be of the transaction that the meta page names. It
 * is one leaf: a few names, and the row that says the store's format.
 * LMDB keeps the pages of the last two commits, for its own recovery.
 */
export const FORMAT_KEY = Buffer.from('coffer-metadata-format')
const META_BYTES = 168
const MAGIC_AT = 24
const FORMAT_AT = 28
const PAGE_SIZE_AT = 48
const FREE_FLAGS_AT = 52
const FREE_ROOT_AT = 88
const MAIN_FLAGS_AT = 100
const MAIN_ROOT_AT = 136
const LAST_PAGE_AT = 144
const TRANSACTION_AT = 152
const MAGIC = 0xbeefc0de
/** `MDB_DATA_VERSION` of mdb.c. */
const FORMAT = 2
/** `MDB_INTEGERKEY`, and no flag of the environment's. */
const FREE_FLAGS = 0x08
const MAIN_FLAGS = 0
const NO_PAGE = 2n ** 64n - 1n
const PAGE_SIZES = new Set([4096, 8192, 16_384, 32_768, 65_536])
/** Pages that a commit took and freed again lie past the end of the file. */
const UNWRITTEN_BYTES_MAX = 2 ** 30
/** Another process may commit between the reads. */
const ATTEMPTS = 20
const PAUSE_MS = 5

/** META_RECORD_DAMAGED unless both meta pages are whole. A store that does not exist yet is. */
export async function checkMetaPages(directory: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await readMetaPages(directory)
    } catch (error) {
      if (attempt === ATTEMPTS) throw error
      await delay(PAUSE_MS)
    }
  }
}

/** The check as one look at the file, which a commit of another process can disturb. */
export async function readMetaPages(directory: string): Promise<void> {
  const file = await openIfExists(join(directory, 'data.mdb'))
  if (!file) return
  try {
    if ((await file.stat()).size === 0) return
    const pageSizeBytes = await readMetaPage(file, 0)
    if ((await readMetaPage(file, pageSizeBytes)) !== pageSizeBytes) throw damaged('commit', 'two page sizes')
  } finally {
    await file.close()
  }
}

async function readMetaPage(file: FileHandle, at: number): Promise<number> {
  const meta = await readAt(file, at, META_BYTES)
  if (meta.readUInt32LE(MAGIC_AT) !== MAGIC) throw damaged('commit', 'not a file of LMDB')
  if (meta.readUInt32LE(FORMAT_AT) !== FORMAT) throw damaged('commit', 'format of LMDB')
  const flags = [meta.readUInt16LE(FREE_FLAGS_AT), meta.readUInt16LE(MAIN_FLAGS_AT)]
  if (flags[0] !== FREE_FLAGS || flags[1] !== MAIN_FLAGS) throw damaged('commit', 'flags')
  const pageSizeBytes = meta.readUInt32LE(PAGE_SIZE_AT)
  if (!PAGE_SIZES.has(pageSizeBytes)) throw damaged('commit', 'page size')
  const freeRoot = meta.readBigUInt64LE(FREE_ROOT_AT)
  const mainRoot = meta.readBigUInt64LE(MAIN_ROOT_AT)
  const lastPage = meta.readBigUInt64LE(LAST_PAGE_AT)
  const transaction = meta.readBigUInt64LE(TRANSACTION_AT)
  const { size: sizeBytes } = await file.stat()
  if (lastPage * BigInt(pageSizeBytes) > sizeBytes + UNWRITTEN_BYTES_MAX) throw damaged('commit', 'last page')
  if (freeRoot !== NO_PAGE && (freeRoot < 2n || freeRoot > lastPage)) throw damaged('commit', 'root of the free list')
  if (transaction === 0n && mainRoot === NO_PAGE) return pageSizeBytes
  if (mainRoot < 2n || mainRoot > lastPage) throw damaged('commit', 'root of the main database')
  const root = await readAt(file, Number(mainRoot) * pageSizeBytes, pageSizeBytes)
  const isOfCommit = root.readBigUInt64LE(0) === mainRoot && root.readBigUInt64LE(8) === transaction
  // A commit writes many pages; the main database's is the one that holds the store's format.
  if (!isOfCommit || !root.includes(FORMAT_KEY)) {
    throw damaged('commit', 'meta page and root of two commits')
  }
  return pageSizeBytes
}

async function readAt(file: FileHandle, at: number, sizeBytes: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(sizeBytes), 0, sizeBytes, at)
  if (bytesRead < sizeBytes) throw damaged('commit', 'file too short')
  return buffer
}

async function openIfExists(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}
