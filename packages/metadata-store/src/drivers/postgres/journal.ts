import { metadataError } from '../../errors.ts'
import { type MoveState, WritesHeld } from '../move/move-store.ts'
import { DATABASE_NAMES } from '../rows/databases.ts'
import { byteaArray } from './bytea-array.ts'
import type { Connection, ResultRow } from './connection.ts'
import type { MemoryDatabases } from './memory-table.ts'
import { findFact } from './migrations.ts'
import type { Statements } from './statements.ts'

/*
 * A store that is being moved says so in a fact, and in each session's row as well: that one every transaction locks, and so
 * reads as it is by then, before it does anything. Whoever changes it changes all of these rows in one transaction, which waits
 * for each write transaction under way: one that comes later can't have read anything else. Meanwhile each transaction
 * adds, with its changes, which rows it changed to the table `journal`.
 */
export const MOVE = 'move'

export interface StoredMove extends Omit<MoveState, 'isSlowed'> {
  /** By the server's clock. `journaling`: until when writes wait; 0: they don't. */
  readonly fencedUntilMs: number
}

/** Undefined: it is not being moved. */
export function parseMove(text: unknown): StoredMove | undefined {
  if (text === '' || text === undefined || text === null) return undefined
  const [, phase, fencedUntilMs, id] = /^(journaling|fenced|moved) (\d+) (.+)$/.exec(String(text)) ?? []
  if (phase === undefined || id === undefined)
    throw metadataError('META_RECORD_DAMAGED', { row: 'move', reason: 'form' })
  return { phase: phase as MoveState['phase'], fencedUntilMs: Number(fencedUntilMs), id }
}

/**
 * Whether a transaction has to note what it changes. META_STORE_CLOSED while the fence stands, and once the store is elsewhere;
 * {@link WritesHeld}, unless it `waitsNoMore`.
 */
export function isJournaling(session: ResultRow | undefined, waitsNoMore: boolean): boolean {
  const move = parseMove(session?.move)
  if (move === undefined) return false
  if (move.phase === 'moved') throw metadataError('META_STORE_CLOSED', { closed: 'moved' })
  const isClosed = isUntilLater(move, session)
  if (isClosed && move.phase === 'fenced') throw metadataError('META_STORE_CLOSED', { closed: 'moving' })
  if (isClosed && !waitsNoMore) throw new WritesHeld()
  return true
}

/** By a look at the session's row, without its lock. */
export function areWritesHeld(session: ResultRow | undefined): boolean {
  const move = parseMove(session?.move)
  return move?.phase === 'journaling' && isUntilLater(move, session)
}

function isUntilLater({ fencedUntilMs }: StoredMove, session: ResultRow | undefined): boolean {
  return fencedUntilMs > Number(session?.now_ms)
}

/** Notes what a transaction changes, without waiting for the answer. */
export function sendJournal(
  connection: Connection,
  statements: Statements,
  databases: MemoryDatabases,
  session: { readonly id: Buffer; readonly sequence: number },
): Promise<unknown> {
  const tables: number[] = []
  const keys: Buffer[] = []
  for (const [number, name] of DATABASE_NAMES.entries()) {
    for (const { key } of databases[name].written.values()) {
      tables.push(number)
      keys.push(key)
    }
  }
  const numbers = keys.map((_, index) => index)
  return connection.query(statements.addToJournal(), [session.id, session.sequence, numbers, tables, byteaArray(keys)])
}

/** As others are told of it. */
export async function readMoveState(connection: Connection, schema: string): Promise<MoveState | undefined> {
  const move = await readMove(connection, schema)
  return move && { id: move.id, phase: move.phase, isSlowed: move.phase === 'journaling' && move.fencedUntilMs > 0 }
}

export async function readMove(connection: Connection, schema: string): Promise<StoredMove | undefined> {
  return parseMove(await findFact(connection, schema, MOVE))
}

/** Within a transaction: once it has committed, no write transaction is under way that read something else. */
export async function writeMove(connection: Connection, schema: string, move: StoredMove | undefined): Promise<void> {
  const text = move === undefined ? '' : `${move.phase} ${Math.ceil(move.fencedUntilMs)} ${move.id}`
  // First the fact: a session that is being added waits for it, or is waited for.
  const setFact = `UPDATE "${schema}".store SET value = $1 WHERE name = '${MOVE}'`
  await connection.query({ name: 'set-move', text: setFact }, [text])
  await connection.query({ name: 'tell-move', text: `UPDATE "${schema}".sessions SET move = $1` }, [text])
}
