import { randomUUID } from 'node:crypto'
import { metadataError } from '../../errors.ts'
import type { ChangedRow, MoveSource, MoveTarget } from '../move/move-store.ts'
import { DATABASE_NAMES, type DatabaseName } from '../rows/databases.ts'
import type { Row } from '../rows/table.ts'
import { byteaArray } from './bytea-array.ts'
import { Connection, type ServerSettings } from './connection.ts'
import { MOVE, readMove, readMoveState, type StoredMove, writeMove } from './journal.ts'
import { allOf } from './loading.ts'
import { CLOSED, findFact, migrateSchema, setFact } from './migrations.ts'
import { COUNTERS, rowsOn } from './postgres-rows.ts'
import { Statements } from './statements.ts'

type Settings = ServerSettings & { readonly schema: string }

/** What a body may have by default: so many of them are read at once as fit. */
const BODY_BYTES = 128 * 1024
/** Who writes into a target: a fact that each of its transactions locks. */
const MOVER = 'mover'

/** A PostgreSQL store that is moved while others write it. */
export async function openPostgresMoveSource(settings: Settings): Promise<MoveSource> {
  const { schema } = settings
  const connection = await Connection.open(settings)
  await migrateSchema(connection, schema, { isMoving: true })
  const statements = new Statements(schema)
  const { read, readCounters, close } = rowsOn(connection, schema)
  const lockMove = () => connection.run(`SELECT value FROM "${schema}".store WHERE name = '${MOVE}' FOR UPDATE`)
  /** Changes what the store says of its move, if that is still the one. */
  const change = async (id: string, next: (move: StoredMove, nowMs: number) => StoredMove | undefined) =>
    await inTransaction(connection, async () => {
      const { rows } = await connection.run(`SELECT extract(epoch FROM clock_timestamp()) * 1000 AS now_ms`)
      await lockMove()
      const move = await readMove(connection, schema)
      if (move?.id !== id) return false
      const then = next(move, Number(rows[0]?.now_ms))
      if (then) await writeMove(connection, schema, then)
      return true
    })
  return {
    read,
    readCounters,
    close,
    countRows: async (table) => await countRows(connection, schema, table),
    readMove: async () => await readMoveState(connection, schema),
    async beginMove(id) {
      await inTransaction(connection, async () => {
        // Sessions of older processes go, and they can't begin others: those would keep no journal.
        await connection.run(`LOCK TABLE "${schema}".sessions IN ACCESS EXCLUSIVE MODE`)
        await connection.run(`DELETE FROM "${schema}".sessions WHERE move IS NULL`)
        await connection.run(`ALTER TABLE "${schema}".sessions ALTER COLUMN move SET NOT NULL`)
      })
      await inTransaction(connection, async () => {
        await lockMove()
        const before = await readMove(connection, schema)
        if (before) throw metadataError('META_STORE_CLOSED', { reason: 'it is being moved', phase: before.phase })
        await writeMove(connection, schema, { id, phase: 'journaling', fencedUntilMs: 0 })
      })
    },
    async readJournal({ entryCount, sizeBytes }) {
      return await inSnapshot(connection, statements, async () => {
        const state = await readMoveState(connection, schema)
        const { rows: entries } = await connection.query(statements.readJournal(), [entryCount])
        const keys = new Map<DatabaseName, Map<string, Buffer>>()
        const ids: Buffer[] = []
        let bodiesLeft = Math.ceil(sizeBytes / BODY_BYTES)
        for (const entry of entries) {
          const table = DATABASE_NAMES[Number(entry.table_number)]
          if (table === undefined) throw metadataError('META_RECORD_DAMAGED', { row: 'journal', reason: 'table' })
          if (table === 'bodies' && --bodiesLeft < 0) break
          const key = entry.key as Buffer
          const ofTable = keys.get(table) ?? new Map<string, Buffer>()
          keys.set(table, ofTable.set(key.toString('latin1'), key))
          ids.push(encodeId(entry.session_id as Buffer, Number(entry.sequence), Number(entry.number)))
        }
        const rows: ChangedRow[] = []
        for (const [table, ofTable] of keys) {
          rows.push(...(await rowsAt(connection, statements, table, [...ofTable.values()])))
        }
        return { state, ids, rows }
      })
    },
    async forgetJournal(ids) {
      const decoded = ids.map(decodeId)
      await connection.query(statements.forgetJournal(), [
        byteaArray(decoded.map(({ sessionId }) => sessionId)),
        decoded.map(({ sequence }) => sequence),
        decoded.map(({ number }) => number),
      ])
    },
    async countJournal(countMax) {
      const { rows } = await connection.run(
        `SELECT count(*) AS count FROM (SELECT 1 FROM "${schema}".journal LIMIT ${countMax}) AS found`,
      )
      return Number(rows[0]?.count)
    },
    async inspect(table, keys) {
      return await inSnapshot(connection, statements, async () => {
        const rows = await rowsAt(connection, statements, table, keys)
        const text = `SELECT key FROM "${schema}".journal WHERE table_number = $1 AND key = ANY($2::bytea[])`
        const number = DATABASE_NAMES.indexOf(table)
        const found = await connection.query({ name: 'find-in-journal', text }, [number, byteaArray(keys)])
        const pending = new Set(found.rows.map(({ key }) => (key as Buffer).toString('latin1')))
        return rows.map((row) => ({ ...row, isPending: pending.has(row.key.toString('latin1')) }))
      })
    },
    async fence(id, durationMs) {
      const isFenced = await change(id, (move, nowMs) =>
        move.phase === 'moved' ? undefined : { id, phase: 'fenced', fencedUntilMs: nowMs + durationMs },
      )
      if (!isFenced) throw metadataError('META_STORE_CLOSED', { reason: 'the move was abandoned' })
    },
    async unfence(id) {
      await change(id, ({ phase }) => (phase === 'fenced' ? { id, phase: 'journaling', fencedUntilMs: 0 } : undefined))
    },
    async hold(id, durationMs) {
      const isHeld = await change(id, ({ phase }, nowMs) =>
        phase === 'journaling' ? { id, phase, fencedUntilMs: durationMs === 0 ? 0 : nowMs + durationMs } : undefined,
      )
      if (!isHeld) throw metadataError('META_STORE_CLOSED', { reason: 'the move was abandoned' })
    },
    async finishMove(id) {
      await connection.query(statements.begin)
      try {
        await lockMove()
        const isThisMove = (await readMove(connection, schema))?.id === id
        if (isThisMove) await writeMove(connection, schema, { id, phase: 'moved', fencedUntilMs: 0 })
        // No write is under way any more: what this sees is all that there is.
        const { rows } = await connection.run(`SELECT 1 FROM "${schema}".journal LIMIT 1`)
        const isDone = isThisMove && rows.length === 0
        if (isDone) await setFact(connection, schema, CLOSED, 'moved')
        await connection.query(isDone ? statements.commit : statements.rollback)
        return isDone
      } catch (error) {
        await connection.query(statements.rollback).catch(() => connection.close())
        throw error
      }
    },
    async abandonMove() {
      await inTransaction(connection, async () => {
        await lockMove()
        if ((await readMove(connection, schema))?.phase === 'moved') {
          throw metadataError('META_STORE_CLOSED', { closed: 'moved' })
        }
        await writeMove(connection, schema, undefined)
      })
      await connection.run(`DELETE FROM "${schema}".journal`)
    },
  }
}

/** A PostgreSQL store that nobody opens, because it says that it is `moving`. */
export async function openPostgresMoveTarget(settings: Settings): Promise<MoveTarget> {
  const { schema } = settings
  const connection = await Connection.open(settings)
  await migrateSchema(connection, schema, { isMoving: true })
  const statements = new Statements(schema)
  const { read, lastKey, writeCounters, close } = rowsOn(connection, schema)
  // A mover that was killed may have sent a transaction that the server still works on: this waits for it, and for no other after it.
  const mover = randomUUID()
  await setFact(connection, schema, MOVER, mover)
  const requireMover = async () => {
    const { rows } = await connection.run(`SELECT value FROM "${schema}".store WHERE name = '${MOVER}' FOR UPDATE`)
    if (rows[0]?.value !== mover) throw metadataError('META_STORE_CLOSED', { reason: 'another process moves it' })
  }
  return {
    read,
    lastKey,
    writeCounters,
    close,
    countRows: async (table) => await countRows(connection, schema, table),
    readKeys: async (table, keys) => await rowsAt(connection, statements, table, keys),
    async change(rows) {
      await inTransaction(connection, async () => {
        await requireMover()
        const sent: Promise<unknown>[] = []
        for (const [table, ofTable] of Map.groupBy(rows, (row) => row.table)) {
          const put = ofTable.filter((row): row is ChangedRow & Row => row.value !== undefined)
          const removed = ofTable.filter(({ value }) => value === undefined)
          if (removed.length > 0) {
            sent.push(connection.query(statements.removeRows(table), [byteaArray(removed.map(({ key }) => key))]))
          }
          if (put.length > 0) {
            const columns = [byteaArray(put.map(({ key }) => key)), byteaArray(put.map(({ value }) => value))]
            sent.push(connection.query(statements.putRows(table), columns))
          }
        }
        await allOf(sent)
      })
    },
  }
}

/** Whether a store holds no row at all. */
export async function isEmptyPostgresStore(settings: Settings): Promise<boolean> {
  const { schema } = settings
  const connection = await Connection.open(settings)
  try {
    await migrateSchema(connection, schema, { isMoving: true })
    const { lastKey } = rowsOn(connection, schema)
    for (const table of DATABASE_NAMES) if (await lastKey(table)) return false
    return true
  } finally {
    connection.close()
  }
}

/** Makes a store that nobody may open empty again. */
export async function emptyPostgresStore(settings: Settings): Promise<void> {
  const { schema } = settings
  const connection = await Connection.open(settings)
  try {
    await migrateSchema(connection, schema, { isMoving: true })
    await inTransaction(connection, async () => {
      if ((await findFact(connection, schema, CLOSED)) !== 'moving') {
        throw metadataError('META_STORE_CLOSED', { reason: 'it is in use' })
      }
      await setFact(connection, schema, MOVER, '')
      const tables = [...DATABASE_NAMES.map((name) => name.replaceAll('-', '_')), ...COUNTERS]
      for (const table of tables) await connection.run(`DELETE FROM "${schema}".${table}`)
    })
  } finally {
    connection.close()
  }
}

async function inTransaction<Value>(connection: Connection, work: () => Promise<Value>): Promise<Value> {
  await connection.run('BEGIN ISOLATION LEVEL READ COMMITTED')
  try {
    const value = await work()
    const { command } = await connection.run('COMMIT')
    if (command !== 'COMMIT') throw metadataError('META_UNAVAILABLE')
    return value
  } catch (error) {
    if (!connection.isLost) await connection.run('ROLLBACK').catch(() => connection.close())
    throw error
  }
}

async function inSnapshot<Value>(
  connection: Connection,
  statements: Statements,
  work: () => Promise<Value>,
): Promise<Value> {
  await connection.query(statements.beginSnapshot)
  try {
    return await work()
  } finally {
    if (!connection.isLost) await connection.query(statements.commit).catch(() => connection.close())
  }
}

async function rowsAt(
  connection: Connection,
  statements: Statements,
  table: DatabaseName,
  keys: readonly Buffer[],
): Promise<ChangedRow[]> {
  const { rows } = await connection.query(statements.readRows([table], false), [byteaArray(keys)])
  const found = new Map(rows.map(({ key, value }) => [(key as Buffer).toString('latin1'), value as Buffer]))
  return keys.map((key) => ({ table, key, value: found.get(key.toString('latin1')) }))
}

async function countRows(connection: Connection, schema: string, table: DatabaseName): Promise<number> {
  const { rows } = await connection.run(`SELECT count(*) AS count FROM "${schema}".${table.replaceAll('-', '_')}`)
  return Number(rows[0]?.count)
}

function encodeId(sessionId: Buffer, sequence: number, number: number): Buffer {
  const id = Buffer.alloc(12)
  id.writeDoubleBE(sequence, 0)
  id.writeUInt32BE(number, 8)
  return Buffer.concat([id, sessionId])
}

function decodeId(id: Buffer): { readonly sessionId: Buffer; readonly sequence: number; readonly number: number } {
  return { sequence: id.readDoubleBE(0), number: id.readUInt32BE(8), sessionId: id.subarray(12) }
}
