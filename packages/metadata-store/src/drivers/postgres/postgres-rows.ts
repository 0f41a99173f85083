import { readBucketRevision } from '../rows/bucket-row.ts'
import { DATABASE_NAMES } from '../rows/databases.ts'
import { idBytes, justAfter } from '../rows/keys.ts'
import type { Row } from '../rows/table.ts'
import type { RowStore } from '../transfer.ts'
import { byteaArray } from './bytea-array.ts'
import { Connection, type ServerSettings } from './connection.ts'
import { memoryDatabases, newLoadedTables } from './memory-table.ts'
import { migrateSchema } from './migrations.ts'
import { EVENT_NUMBERS_PER_BLOCK, Statements } from './statements.ts'

const FIRST_KEY = Buffer.alloc(0)

/** A PostgreSQL store as its rows; made if it is not there. `forReading`: writers elsewhere wait, and time out. */
export async function openPostgresRows(
  settings: ServerSettings & { readonly schema: string },
  options: { forReading: boolean },
): Promise<RowStore> {
  const { schema } = settings
  const connection = await Connection.open(settings)
  await migrateSchema(connection, schema, { isMoving: true })
  const statements = new Statements(schema)
  const names = DATABASE_NAMES.map((name) => `"${schema}".${name.replaceAll('-', '_')}`)
  const tables = [...names, `"${schema}".bucket_usage`, `"${schema}".key_use_counts`].join(', ')
  await connection.run(`SET idle_in_transaction_session_timeout = 0`)
  await connection.run(`SET statement_timeout = 0`)
  if (options.forReading) {
    await connection.run('BEGIN ISOLATION LEVEL REPEATABLE READ')
    await connection.run(`LOCK TABLE ${tables} IN SHARE MODE`)
  }
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
      const usage = await connection.run(
        `SELECT bucket_id, sum(version_count) AS versions, sum(delete_marker_count) AS markers, sum(size_bytes) AS bytes FROM "${schema}".bucket_usage GROUP BY bucket_id`,
      )
      const keyUse = await connection.run(
        `SELECT key_ref, sum(object_keys) AS count FROM "${schema}".key_use_counts GROUP BY key_ref`,
      )
      const { rows } = await connection.query(statements.nextEventBlock())
      return {
        usage: usage.rows.map(({ bucket_id, versions, markers, bytes }) => ({
          bucketId: (bucket_id as Buffer).toString('hex'),
          versionCount: Number(versions),
          deleteMarkerCount: Number(markers),
          sizeBytes: Number(bytes),
        })),
        keyUse: keyUse.rows.map(({ key_ref, count }) => ({
          keyRef: (key_ref as Buffer).toString('utf8'),
          count: Number(count),
        })),
        eventNumber: Number(rows[0]?.block) * EVENT_NUMBERS_PER_BLOCK,
      }
    },
    async writeCounters({ usage, keyUse, eventNumber }) {
      await connection.run('BEGIN')
      await connection.run(`DELETE FROM "${schema}".bucket_usage`)
      await connection.run(`DELETE FROM "${schema}".key_use_counts`)
      const { rows } = await connection.run(`SELECT key, value FROM "${schema}".bucket_ids`)
      const loaded = newLoadedTables()
      loaded['bucket-ids'].setRows([], rows as unknown as readonly Row[])
      const databases = memoryDatabases(loaded)
      for (const { key } of rows as unknown as readonly Row[]) {
        const revision = readBucketRevision(databases, key.toString('hex'))
        await connection.query(statements.setRevision(), [key, revision])
      }
      for (const { bucketId, versionCount, deleteMarkerCount, sizeBytes } of usage) {
        const id = byteaArray([idBytes(bucketId)])
        await connection.query(statements.addUsage(), [id, [versionCount], [deleteMarkerCount], [sizeBytes], 0])
      }
      for (const { keyRef, count } of keyUse) {
        await connection.query(statements.addKeyUse(), [byteaArray([Buffer.from(keyRef)]), [count], 0])
      }
      const block = Math.floor(eventNumber / EVENT_NUMBERS_PER_BLOCK) + 1
      await connection.run(`SELECT setval('"${schema}".event_blocks', ${block})`)
      await connection.run('COMMIT')
    },
    async close() {
      connection.close()
    },
  }
}
