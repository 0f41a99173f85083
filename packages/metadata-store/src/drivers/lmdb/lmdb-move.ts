import { metadataError } from '../../errors.ts'
import type { ChangedRow, MoveSource, MoveTarget } from '../move/move-store.ts'
import type { DatabaseName } from '../rows/databases.ts'
import { readRow } from '../rows/table.ts'
import { BEING_MOVED, type Databases, type Environment, formatRow, openEnvironment } from './environment.ts'
import { decodeEntry, moveStateIn, readMove, writeMove } from './journal.ts'
import { rowsOf } from './lmdb-rows.ts'
import { FORMAT_KEY } from './meta-pages.ts'

const FIRST_KEY = Buffer.from([0])

/** An LMDB store that is moved while others write it. */
export async function openLmdbMoveSource(directory: string): Promise<MoveSource> {
  const environment = await openEnvironment({ directory, readOnly: false })
  const { root, databases, journal } = environment
  const { read, readCounters, close } = rowsOf(environment)
  return {
    read,
    readCounters,
    close,
    countRows: async (table) => countRows(environment, table),
    async readMove() {
      root.resetReadTxn()
      return moveStateIn(root)
    },
    async beginMove(id) {
      root.transactionSync(() => {
        const before = readMove(root)
        if (before) throw metadataError('META_STORE_CLOSED', { reason: 'it is being moved', phase: before.phase })
        writeMove(root, { id, phase: 'journaling', fencedUntil: 0 })
        void root.put(FORMAT_KEY, formatRow(BEING_MOVED))
      })
    },
    async readJournal({ entryCount, sizeBytes }) {
      root.resetReadTxn()
      const state = moveStateIn(root)
      const ids: Buffer[] = []
      const rows = new Map<string, ChangedRow>()
      let bytes = 0
      for (const row of Array.from(journal.getRange({ start: FIRST_KEY, limit: entryCount }))) {
        if (bytes > sizeBytes) break
        const { id, table, key } = decodeEntry(row)
        ids.push(id)
        const name = row.value.toString('latin1')
        if (rows.has(name)) continue
        const value = readRow(databases[table], key)
        rows.set(name, { table, key, value })
        bytes += value?.length ?? 0
      }
      return { state, ids, rows: [...rows.values()] }
    },
    async forgetJournal(ids) {
      root.transactionSync(() => {
        for (const id of ids) void journal.remove(id)
      })
    },
    async countJournal(countMax) {
      root.resetReadTxn()
      return Math.min(countMax, entryCountOf(journal))
    },
    async inspect(table, keys) {
      root.resetReadTxn()
      const pending = new Set<string>()
      for (const row of journal.getRange({ start: FIRST_KEY })) {
        const entry = decodeEntry(row)
        if (entry.table === table) pending.add(entry.key.toString('latin1'))
      }
      return rowsAt(databases, table, keys).map((row) => ({
        ...row,
        isPending: pending.has(row.key.toString('latin1')),
      }))
    },
    async fence(id, durationMs) {
      root.transactionSync(() => {
        const move = readMove(root)
        if (move?.id !== id) throw metadataError('META_STORE_CLOSED', { reason: 'the move was abandoned' })
        if (move.phase !== 'moved') writeMove(root, { id, phase: 'fenced', fencedUntil: Date.now() + durationMs })
      })
    },
    async unfence(id) {
      root.transactionSync(() => {
        const move = readMove(root)
        if (move?.id === id && move.phase === 'fenced') writeMove(root, { id, phase: 'journaling', fencedUntil: 0 })
      })
    },
    async hold(id, durationMs) {
      root.transactionSync(() => {
        const move = readMove(root)
        if (move?.id !== id) throw metadataError('META_STORE_CLOSED', { reason: 'the move was abandoned' })
        const fencedUntil = durationMs === 0 ? 0 : Date.now() + durationMs
        if (move.phase === 'journaling') writeMove(root, { id, phase: 'journaling', fencedUntil })
      })
    },
    async finishMove(id) {
      return root.transactionSync(() => {
        const move = readMove(root)
        if (move?.id !== id) return false
        for (const _ of journal.getKeys({ start: FIRST_KEY, limit: 1 })) return false
        writeMove(root, { id, phase: 'moved', fencedUntil: 0 })
        return true
      })
    },
    async abandonMove() {
      root.transactionSync(() => {
        if (readMove(root)?.phase === 'moved') throw metadataError('META_STORE_CLOSED', { closed: 'moved' })
        writeMove(root, undefined)
        void root.put(FORMAT_KEY, formatRow())
        journal.clearSync()
      })
    },
  }
}

/** The directory that a store comes to. */
export async function openLmdbMoveTarget(directory: string): Promise<MoveTarget> {
  const environment = await openEnvironment({ directory, readOnly: false })
  const { root, databases } = environment
  const { read, lastKey, writeCounters, close } = rowsOf(environment)
  return {
    read,
    lastKey,
    writeCounters,
    close,
    countRows: async (table) => countRows(environment, table),
    async readKeys(table, keys) {
      root.resetReadTxn()
      return rowsAt(databases, table, keys)
    },
    async change(rows) {
      root.transactionSync(() => {
        for (const { table, key, value } of rows) {
          if (value) void databases[table].put(key, value)
          else void databases[table].remove(key)
        }
      })
    },
  }
}

function rowsAt(databases: Databases, table: DatabaseName, keys: readonly Buffer[]): ChangedRow[] {
  return keys.map((key) => ({ table, key, value: readRow(databases[table], key) }))
}

function countRows({ root, databases }: Environment, table: DatabaseName): number {
  root.resetReadTxn()
  return entryCountOf(databases[table])
}

/** mdb_stat: what the tree says of itself. */
function entryCountOf(database: Environment['journal']): number {
  return (database.getStats() as { entryCount: number }).entryCount
}
