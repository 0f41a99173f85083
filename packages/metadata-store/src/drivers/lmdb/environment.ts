import { mkdir, open as openFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { invariant } from '@coffer/errors'
import { type Database, open, type RootDatabase } from 'lmdb'
import { metadataError } from '../../errors.ts'
import { DATABASE_NAMES as ROW_TABLES, STORE_FORMAT } from '../rows/databases.ts'
import { countPartsAndAccounts } from './count-anew.ts'
import { checkMetaPages, FORMAT_KEY } from './meta-pages.ts'
import { TABLE_ENCODING } from './table-encoding.ts'

/** One or two per process that shares the environment (LMDB, mdb_env_set_maxreaders). */
const READERS_MAX = 512
const DATABASES_MAX = 32
/** Address space reserved at once, no memory and no disk; lmdb-js maps more for a file that outgrows it. */
const MAP_SIZE_BYTES = 2 ** 40

/** In the format's row while a store is being moved: a version that knows no journal takes it for a newer one. */
export const BEING_MOVED = 0x8000_0000

/** The tables of rows, and the counters. */
export const DATABASE_NAMES = [...ROW_TABLES, 'counters'] as const

export type DatabaseName = (typeof DATABASE_NAMES)[number]

/** One named database: bytes to bytes, in byte order. */
export type LmdbTable = Database<Buffer, Buffer>

/** The named databases of one environment. */
export type Databases = Readonly<Record<DatabaseName, LmdbTable>>

export interface Environment {
  readonly directory: string
  readonly root: RootDatabase<Buffer, Buffer>
  readonly databases: Databases
  /** Which rows were changed while the store is being moved: see journal.ts. */
  readonly journal: LmdbTable
}

/**
 * Opens the environment and its databases.
 *
 * `overlappingSync: false` makes LMDB's own order hold: a commit writes its pages, fdatasyncs, writes the meta page through
 * a descriptor opened with O_DSYNC, and only then becomes visible and resolves. lmdb-js' default shows a commit to readers
 * before it is durable; its throughput is the same once commits are grouped.
 *
 * Nothing may use lmdb-js' asynchronous writes: when their commit fails (a full disk), a promise that nobody can wait for is
 * rejected, and that ends the process.
 */
export async function openEnvironment(options: { directory: string; readOnly: boolean }): Promise<Environment> {
  if (!options.readOnly) await mkdir(options.directory, { recursive: true, mode: 0o700 })
  await checkMetaPages(options.directory)
  const root: RootDatabase<Buffer, Buffer> = open<Buffer, Buffer>({
    encoding: 'binary',
    keyEncoding: 'binary',
    path: options.directory,
    noSubdir: false,
    readOnly: options.readOnly,
    overlappingSync: false,
    mapSize: MAP_SIZE_BYTES,
    maxDbs: DATABASES_MAX,
    maxReaders: READERS_MAX,
  })
  try {
    const format = checkFormat(root, options.readOnly)
    if (format === 'new') await syncNames(options.directory)
    const databases: Partial<Record<DatabaseName, LmdbTable>> = {}
    for (const name of DATABASE_NAMES) {
      const table = { ...TABLE_ENCODING, name }
      const database: LmdbTable | undefined = root.openDB<Buffer, Buffer>(table)
      if (!database) throw metadataError('META_RECORD_DAMAGED', { row: 'format', reason: `no database ${name}` })
      databases[name] = database
    }
    if (format === 'older' && !options.readOnly) upgrade(root, databases as Databases)
    // Missing from an older store that is opened for reading, where nobody asks for it.
    const journal = root.openDB<Buffer, Buffer>({ ...TABLE_ENCODING, name: 'journal' })
    return { directory: options.directory, root, databases: databases as Databases, journal }
  } catch (error) {
    await root.close()
    throw error
  }
}

/** Refuses a store of a newer format or one that is not ours, before anything is written to it. */
function checkFormat(root: RootDatabase<Buffer, Buffer>, readOnly: boolean): 'new' | 'known' | 'older' {
  root.resetReadTxn()
  const stored = root.getBinary(FORMAT_KEY)
  if (stored) {
    if (stored.length !== 4) throw metadataError('META_RECORD_DAMAGED', { row: 'format', reason: 'length' })
    const format = (stored.readUInt32BE(0) & ~BEING_MOVED) >>> 0
    if (format > STORE_FORMAT) throw metadataError('META_FORMAT_NEWER', { format, supported: STORE_FORMAT })
    if (format < 1) throw metadataError('META_RECORD_DAMAGED', { row: 'format', reason: 'zero' })
    return format < STORE_FORMAT ? 'older' : 'known'
  }
  for (const _ of root.getKeys({ limit: 1, start: Buffer.from([1]) })) {
    throw metadataError('META_RECORD_DAMAGED', { row: 'format', reason: 'missing from a store that is not empty' })
  }
  invariant(!readOnly, 'a store that is opened for reading exists')
  root.transactionSync(() => void root.put(FORMAT_KEY, formatRow()))
  return 'new'
}

/** In one transaction; of several processes that start at once the first does it. */
function upgrade(root: RootDatabase<Buffer, Buffer>, databases: Databases): void {
  root.transactionSync(() => {
    if (root.getBinary(FORMAT_KEY)?.readUInt32BE(0) === STORE_FORMAT) return
    countPartsAndAccounts(databases)
    root.put(FORMAT_KEY, formatRow())
  })
}

export function formatRow(flags = 0): Buffer {
  const format = Buffer.alloc(4)
  format.writeUInt32BE((STORE_FORMAT | flags) >>> 0)
  return format
}

/** LMDB syncs its file, not the names of the file and the directory, without which a new store is lost with the power. */
async function syncNames(directory: string): Promise<void> {
  for (const name of [directory, dirname(directory)]) {
    const handle = await openFile(name, 'r')
    await handle.sync().finally(() => handle.close())
  }
}
