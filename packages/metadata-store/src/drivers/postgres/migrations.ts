import { metadataError } from '../../errors.ts'
import { STORE_FORMAT } from '../rows/databases.ts'
import type { Connection } from './connection.ts'
import { sqlStateOf } from './pg-errors.ts'
import { MIGRATIONS, SCHEMA_NUMBER } from './schema.ts'

const UNDEFINED_TABLE = '42P01'
/** Two that make the same thing at once: unique_violation in a catalogue, duplicate_schema, duplicate_table, duplicate_object. */
const MADE_MEANWHILE: ReadonlySet<string> = new Set(['23505', '42P06', '42P07', '42710'])
const ATTEMPTS_MAX = 10

/**
 * Brings the schema up to date. A role that may only read and write rows suffices where nothing is to be done. Of several
 * processes that start at once, one migrates and the others wait for it: they lock the same row. META_FORMAT_NEWER.
 */
export async function migrateSchema(
  connection: Connection,
  schemaName: string,
  options: { readonly isMoving?: boolean } = {},
): Promise<void> {
  const schema = `"${schemaName}"`
  for (let attempt = 1; ; attempt += 1) {
    const current = await currentNumber(connection, schema)
    if (current !== undefined && current > SCHEMA_NUMBER) {
      throw metadataError('META_FORMAT_NEWER', { format: current, supported: SCHEMA_NUMBER })
    }
    if (current === SCHEMA_NUMBER) break
    try {
      if (current === undefined) await prepare(connection, schema)
      await migrateOne(connection, schema)
    } catch (error) {
      await connection.run('ROLLBACK')
      if (attempt === ATTEMPTS_MAX || !MADE_MEANWHILE.has(sqlStateOf(error) ?? '')) throw error
    }
  }
  const format = Number((await findFact(connection, schemaName, 'row-format')) ?? STORE_FORMAT)
  if (format > STORE_FORMAT) throw metadataError('META_FORMAT_NEWER', { format, supported: STORE_FORMAT })
  if (!options.isMoving) await requireOpen(connection, schemaName)
}

/** META_STORE_CLOSED if the store is `moving` here, or `moved` away. */
export async function requireOpen(connection: Connection, schemaName: string): Promise<void> {
  const closed = await findFact(connection, schemaName, CLOSED)
  if (closed) throw metadataError('META_STORE_CLOSED', { closed })
}

/** The fact that says why a store is not to be opened: `moving` here, or `moved` away. */
export const CLOSED = 'closed'

/** '' : it may be opened again. */
export async function setFact(connection: Connection, schemaName: string, name: string, value: string): Promise<void> {
  const text = `INSERT INTO "${schemaName}".store (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`
  await connection.query({ name: 'set-fact', text }, [name, value])
}

/** Undefined: there is no store yet. */
async function currentNumber(connection: Connection, schema: string): Promise<number | undefined> {
  try {
    const { rows } = await connection.run(`SELECT coalesce(max(number), 0) AS number FROM ${schema}.migrations`)
    return Number(rows[0]?.number)
  } catch (error) {
    if (sqlStateOf(error) === UNDEFINED_TABLE) return undefined
    throw error
  }
}

async function prepare(connection: Connection, schema: string): Promise<void> {
  await connection.run(`CREATE SCHEMA IF NOT EXISTS ${schema}`)
  await connection.run(
    `CREATE TABLE IF NOT EXISTS ${schema}.store (name varchar(64) NOT NULL PRIMARY KEY, value text NOT NULL)`,
  )
  await connection.run(
    `INSERT INTO ${schema}.store (name, value) VALUES ('migration-lock', '') ON CONFLICT (name) DO NOTHING`,
  )
  await connection.run(
    `CREATE TABLE IF NOT EXISTS ${schema}.migrations (number int NOT NULL PRIMARY KEY, applied_at timestamptz NOT NULL)`,
  )
}

async function migrateOne(connection: Connection, schema: string): Promise<void> {
  await connection.run('BEGIN')
  await connection.run(`SELECT value FROM ${schema}.store WHERE name = 'migration-lock' FOR UPDATE`)
  const current = (await currentNumber(connection, schema)) ?? 0
  const migration = MIGRATIONS[current]
  if (migration) {
    for (const statement of migration.statements(schema)) await connection.run(statement)
    await connection.run(`INSERT INTO ${schema}.migrations (number, applied_at) VALUES (${migration.number}, now())`)
  }
  await connection.run('COMMIT')
  for (const statement of migration?.tuning?.(schema) ?? []) {
    await connection.run(statement).catch((error: unknown) => {
      if (sqlStateOf(error) === undefined) throw error
    })
  }
}

/** A fact about the whole store. */
export async function findFact(connection: Connection, schemaName: string, name: string): Promise<string | undefined> {
  const { rows } = await connection.query(
    { name: 'find-fact', text: `SELECT value FROM "${schemaName}".store WHERE name = $1` },
    [name],
  )
  const value = rows[0]?.value
  return typeof value === 'string' ? value : undefined
}

/** Says it where nobody has yet. */
export async function claimFact(
  connection: Connection,
  schemaName: string,
  name: string,
  value: string,
): Promise<void> {
  const text = `INSERT INTO "${schemaName}".store (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`
  await connection.query({ name: 'claim-fact', text }, [name, value])
}
