import { setTimeout as pause } from 'node:timers/promises'
import { metadataError } from '../../errors.ts'
import type { PostgresStoreOptions } from '../postgres.ts'
import { Connection, clientName } from './connection.ts'
import { CLOSED, claimFact, findFact, migrateSchema, setFact } from './migrations.ts'
import { asMetadataError } from './pg-errors.ts'

/** The fact about a store that says which data directory it belongs to. */
const DATA_DIRECTORY = 'data-directory'
/** The fact that says which move brings a store here. */
const INCOMING = 'incoming'
/** What versions before the journal called their connections. */
const OLDER_CLIENT_NAME = 'coffer'
const END_TIMEOUT_MS = 30_000
const END_PAUSE_MS = 50
/** The server shows a connection for a moment after its client has closed it. */
const LEAVING_TIMEOUT_MS = 3_000

export type ClosedReason = 'moving' | 'moved'

/**
 * Says which data directory the store belongs to; gives it to `dataDirectoryId` where it belongs to none yet. Undefined:
 * it belongs to none.
 */
export async function claimPostgresStore(
  options: PostgresStoreOptions,
  dataDirectoryId: string | undefined,
): Promise<string | undefined> {
  return await withStore(options, async (connection, schema) => {
    if (dataDirectoryId !== undefined) await claimFact(connection, schema, DATA_DIRECTORY, dataDirectoryId)
    return await findFact(connection, schema, DATA_DIRECTORY)
  })
}

/** Says that a store is not to be opened, because it is `moving` or `moved`; undefined: that it may be. Returns what it said. */
export async function closePostgresStore(
  options: PostgresStoreOptions,
  reason: ClosedReason | undefined,
): Promise<ClosedReason | undefined> {
  return await withStore(options, async (connection, schema) => {
    const before = await findFact(connection, schema, CLOSED)
    await setFact(connection, schema, CLOSED, reason ?? '')
    return before === 'moving' || before === 'moved' ? before : undefined
  })
}

/** Why a store is not to be opened; undefined: it is. */
export async function findClosed(options: PostgresStoreOptions): Promise<string | undefined> {
  return await withStore(
    options,
    async (connection, schema) => (await findFact(connection, schema, CLOSED)) || undefined,
  )
}

/** Which move brings a store here; undefined: none. */
export async function findIncoming(options: PostgresStoreOptions): Promise<string | undefined> {
  return await withStore(
    options,
    async (connection, schema) => (await findFact(connection, schema, INCOMING)) || undefined,
  )
}

/** '' : none. */
export async function setIncoming(options: PostgresStoreOptions, id: string): Promise<void> {
  await withStore(options, (connection, schema) => setFact(connection, schema, INCOMING, id))
}

/**
 * How many connections of others there are: of all stores of the database, of this `store`, or of `older` versions, which keep no
 * journal and whose store is not known.
 */
export async function countOtherClients(
  options: PostgresStoreOptions,
  which: 'all' | 'store' | 'older',
): Promise<number> {
  return await withStore(options, async (connection, schema) => {
    const name = {
      all: `LIKE '${OLDER_CLIENT_NAME}%'`,
      store: `= '${clientName(schema)}'`,
      older: `= '${OLDER_CLIENT_NAME}'`,
    }[which]
    const text = `SELECT count(*) AS count FROM pg_stat_activity WHERE application_name ${name} AND datname = current_database() AND pid <> pg_backend_pid()`
    const deadline = Date.now() + LEAVING_TIMEOUT_MS
    for (;;) {
      const { rows } = await connection.run(text)
      const count = Number(rows[0]?.count)
      if (count === 0 || Date.now() > deadline) return count
      await pause(END_PAUSE_MS)
    }
  })
}

/**
 * Ends all connections to a store that was moved, so that nobody reads there any more: new ones are refused. META_UNAVAILABLE
 * if one does not end.
 */
export async function endOtherClients(options: PostgresStoreOptions): Promise<void> {
  await withStore(options, async (connection, schema) => {
    const others = `FROM pg_stat_activity WHERE application_name = '${clientName(schema)}' AND datname = current_database() AND pid <> pg_backend_pid()`
    const deadline = Date.now() + END_TIMEOUT_MS
    for (;;) {
      const { rows } = await connection.run(`SELECT pg_terminate_backend(pid) ${others}`)
      if (rows.length === 0) return
      if (Date.now() > deadline) throw metadataError('META_UNAVAILABLE', { connections: rows.length })
      await pause(END_PAUSE_MS)
    }
  })
}

async function withStore<Value>(
  options: PostgresStoreOptions,
  work: (connection: Connection, schema: string) => Promise<Value>,
): Promise<Value> {
  const schema = options.schema ?? 'coffer'
  try {
    const connection = await Connection.open(options)
    try {
      await migrateSchema(connection, schema, { isMoving: true })
      return await work(connection, schema)
    } finally {
      connection.close()
    }
  } catch (error) {
    throw asMetadataError(error)
  }
}
