import { mkdir } from 'node:fs/promises'
import { invariant } from '@coffer/errors'
import { type Database, open, type RootDatabase } from 'lmdb'
import { metadataError } from '../../errors.ts'

/** Version of everything under the directory; a store of a newer one is refused untouched. */
export const STORE_FORMAT = 1
const FORMAT_KEY = Buffer.from('coffer-metadata-format')
/** One or two per process that shares the environment (LMDB, mdb_env_set_maxreaders). */
const READERS_MAX = 512
const DATABASES_MAX = 32

export type Table = Database<Buffer, Buffer>

export const DATABASE_NAMES = [
  'buckets',
  'bucket-ids',
  'buckets-by-owner',
  'current',
  'versions',
  'bodies',
  'uploads',
  'parts',
  'blob-refs',
  'garbage',
  'writers',
  'counters',
  'records',
] as const

export type DatabaseName = (typeof DATABASE_NAMES)[number]

/** The named databases of one environment. */
export type Databases = Readonly<Record<DatabaseName, Table>>

export interface Environment {
  readonly root: RootDatabase<Buffer, Buffer>
  readonly databases: Databases
}

/**
 * Opens the environment and its databases.
 *
 * `overlappingSync: false` makes LMDB's own order hold: a commit writes its pages, fdatasyncs, writes the meta page through
 * a descriptor opened with O_DSYNC, and only then becomes visible and resolves. lmdb-js' default shows a commit to readers
 * before it is durable; its throughput is the same once commits are grouped.
 *
 * `eventTurnBatching: false`: lmdb-js' batch of an event turn has a promise of its own that nobody can wait for; when a
 * commit fails (a full disk), its rejection would end the process. `GroupCommit` makes the batches here.
 */
export async function openEnvironment(options: {
  directory: string
  readOnly: boolean
  mapSizeBytesMax: number
}): Promise<Environment> {
  if (!options.readOnly) await mkdir(options.directory, { recursive: true, mode: 0o700 })
  const encoding = { encoding: 'binary', keyEncoding: 'binary' } as const
  const root: RootDatabase<Buffer, Buffer> = open<Buffer, Buffer>({
    ...encoding,
    path: options.directory,
    noSubdir: false,
    readOnly: options.readOnly,
    overlappingSync: false,
    eventTurnBatching: false,
    mapSize: options.mapSizeBytesMax,
    maxDbs: DATABASES_MAX,
    maxReaders: READERS_MAX,
  })
  try {
    await checkFormat(root, options.readOnly)
    const databases: Partial<Record<DatabaseName, Table>> = {}
    for (const name of DATABASE_NAMES) {
      const database: Table | undefined = root.openDB<Buffer, Buffer>({ ...encoding, name })
      if (!database) throw metadataError('META_RECORD_DAMAGED', { row: 'format', reason: `no database ${name}` })
      databases[name] = database
    }
    return { root, databases: databases as Databases }
  } catch (error) {
    await root.close()
    throw error
  }
}

/** Refuses a store of a newer format or one that is not ours, before anything is written to it. */
async function checkFormat(root: RootDatabase<Buffer, Buffer>, readOnly: boolean): Promise<void> {
  root.resetReadTxn()
  const stored = root.getBinary(FORMAT_KEY)
  if (stored) {
    if (stored.length !== 4) throw metadataError('META_RECORD_DAMAGED', { row: 'format', reason: 'length' })
    const format = stored.readUInt32BE(0)
    if (format > STORE_FORMAT) throw metadataError('META_FORMAT_NEWER', { format, supported: STORE_FORMAT })
    if (format < 1) throw metadataError('META_RECORD_DAMAGED', { row: 'format', reason: 'zero' })
    return
  }
  for (const _ of root.getKeys({ limit: 1, start: Buffer.from([1]) })) {
    throw metadataError('META_RECORD_DAMAGED', { row: 'format', reason: 'missing from a store that is not empty' })
  }
  invariant(!readOnly, 'a store that is opened for reading exists')
  const format = Buffer.alloc(4)
  format.writeUInt32BE(STORE_FORMAT)
  await root.put(FORMAT_KEY, format)
}
