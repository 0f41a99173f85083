import { readBucketById } from '../rows/bucket-row.ts'
import { DATABASE_NAMES } from '../rows/databases.ts'
import { justAfter } from '../rows/keys.ts'
import type { Row } from '../rows/table.ts'
import type { RowStore } from '../transfer.ts'
import { byteaArray } from './bytea-array.ts'
import { Connection, type ServerSettings } from './connection.ts'
import { allOf, scopeBytes, usageOf } from './loading.ts'
import { memoryDatabases, newLoadedTables } from './memory-table.ts'
import { migrateSchema } from './migrations.ts'
import { EVENT_NUMBERS_PER_BLOCK, Statements } from './statements.ts'

/** Tables of what a driver keeps in a way of its own. */
export const COUNTERS = ['bucket_counters', 'account_counters', 'key_use_counts'] as const
const FIRST_KEY = Buffer.alloc(0)

/** A PostgreSQL store as its rows; made if it is not there. `forReading`: writers elsewhere wait, and time out. */
export async function openPostgresRows(
  settings: ServerSettings & { readonly schema: string },
  options: { forReading: boolean },
): Promise<RowStore> {
  const { schema } = settings
  const connection = await Connection.open(settings)
  await migrateSchema(connection, schema, { isMoving: true })
  const names = DATABASE_NAMES.map((name) => `"${schema}".${name.replaceAll('-', '_')}`)
  const tables = [...names, ...COUNTERS.map((name) => `"${schema}".${name}`)].join(', ')
  await connection.run(`SET idle_in_transaction_session_timeout = 0`)
  await connection.run(`SET statement_timeout = 0`)
  if (options.forReading) {
    await connection.run('BEGIN ISOLATION LEVEL REPEATABLE READ')
    await connection.run(`LOCK TABLE ${tables} IN SHARE MODE`)
  }
  return rowsOn(connection, schema)
}

export function rowsOn(connection: Connection, schema: string): RowStore {
  const statements = new Statements(schema)
  return {
    async read(table, after, limit) {
      const statement = statements.readRange(table, { hasEnd: false, lock: false })
      const { rows } = await connection.query(statement, [after ? justAfter(after) : FIRST_KEY, limit])
      return rows as unknown as readonly Row[]
    },
    async add(table, rows) {
      const columns = [byteaArray(rows.map(({ key }) => key)), byteaArray(rows.map(({ value }) => value))]
      await connection.query(statements.putRows(table), columns)
    },
    async lastKey(table) {
      const { rows } = await connection.run(
        `SELECT key FROM "${schema}".${table.replaceAll('-', '_')} ORDER BY key DESC LIMIT 1`,
      )
      return rows[0]?.key as Buffer | undefined
    },
    async readCounters() {
      const sums =
        'sum(version_count) AS versions, sum(delete_marker_count) AS markers, sum(size_bytes) AS bytes, sum(part_bytes) AS part_bytes'
      const buckets = await connection.run(
        `SELECT bucket_id, ${sums} FROM "${schema}".bucket_counters GROUP BY bucket_id`,
      )
      const accounts = await connection.run(
        `SELECT account_id, ${sums} FROM "${schema}".account_counters GROUP BY account_id`,
      )
      const keyUse = await connection.run(
        `SELECT key_ref, sum(object_keys) AS count FROM "${schema}".key_use_counts GROUP BY key_ref`,
      )
      const { rows } = await connection.query(statements.nextEventBlock())
      return {
        usage: [
          ...buckets.rows.map((row) => ({
            scope: { bucketId: (row.bucket_id as Buffer).toString('hex') },
            usage: usageOf(row),
          })),
          ...accounts.rows.map((row) => ({
            scope: { accountId: (row.account_id as Buffer).toString() },
            usage: usageOf(row),
          })),
        ],
        keyUse: keyUse.rows.map(({ key_ref, count }) => ({
          keyRef: (key_ref as Buffer).toString('utf8'),
          count: Number(count),
        })),
        eventNumber: Number(rows[0]?.block) * EVENT_NUMBERS_PER_BLOCK,
      }
    },
    async writeCounters({ usage, keyUse, eventNumber }) {
      await connection.run('BEGIN')
      for (const name of COUNTERS) await connection.run(`DELETE FROM "${schema}".${name}`)
      const { rows } = await connection.run(`SELECT key, value FROM "${schema}".bucket_ids`)
      const buckets = await connection.run(`SELECT key, value FROM "${schema}".buckets`)
      const loaded = newLoadedTables()
      loaded['bucket-ids'].setRows([], rows as unknown as readonly Row[])
      loaded.buckets.setRows([], buckets.rows as unknown as readonly Row[])
      const databases = memoryDatabases(loaded)
      const sent: Promise<unknown>[] = []
      for (const { key } of rows as unknown as readonly Row[]) {
        const bucket = readBucketById(databases, key.toString('hex'))
        const values = [key, bucket?.revision, Buffer.from(bucket?.ownerAccountId ?? '')]
        sent.push(connection.query(statements.setRevision(), values))
      }
      for (const { scope, usage: counted } of usage) {
        const { versionCount, deleteMarkerCount, sizeBytes, partSizeBytes } = counted
        const statement = 'bucketId' in scope ? statements.addUsage() : statements.addAccountUsage()
        const id = byteaArray([scopeBytes(scope)])
        sent.push(
          connection.query(statement, [id, [versionCount], [deleteMarkerCount], [sizeBytes], [partSizeBytes], 0]),
        )
      }
      for (const { keyRef, count } of keyUse) {
        sent.push(connection.query(statements.addKeyUse(), [byteaArray([Buffer.from(keyRef)]), [count], 0]))
      }
      await allOf(sent)
      const block = Math.floor(eventNumber / EVENT_NUMBERS_PER_BLOCK) + 1
      await connection.run(`SELECT setval('"${schema}".event_blocks', ${block})`)
      await connection.run('COMMIT')
    },
    async close() {
      connection.close()
    },
  }
}
