import { invariant } from '@coffer/errors'
import type { RootDatabase } from 'lmdb'
import { metadataError } from '../../errors.ts'
import { type MoveState, WritesHeld } from '../move/move-store.ts'
import { DATABASE_NAMES, type DatabaseName } from '../rows/databases.ts'
import type { Row, Table } from '../rows/table.ts'
import type { Databases, Environment, LmdbTable } from './environment.ts'

/*
 * A store that is being moved says so in a row of the main database, which each transaction reads before it writes:
 *
 *   phase (1): 1 journaling, 2 fenced, 3 moved | fenced or, journaling, held until (8, ms since 1970) | id of the move (text)
 *
 * Meanwhile each transaction adds, with its changes, which rows it changed to the database `journal`:
 * number (8) -> table (1) | key of the row.
 */
const MOVE_KEY = Buffer.from('coffer-metadata-move')
const PHASES = ['journaling', 'fenced', 'moved'] as const
const ID_AT = 9
const NUMBER_BYTES = 8
/** lmdb-js leaves out keys that begin with a zero byte unless it is told where to end. */
const FIRST_KEY = Buffer.from([0])
const FENCE_MS_LONGEST = 60_000

interface StoredMove extends Omit<MoveState, 'isSlowed'> {
  /** `journaling`: until when writes wait; 0: they don't. */
  readonly fencedUntil: number
}

/** As others are told of it. */
export function moveStateIn(root: RootDatabase<Buffer, Buffer>): MoveState | undefined {
  const move = readMove(root)
  return move && { id: move.id, phase: move.phase, isSlowed: move.phase === 'journaling' && move.fencedUntil > 0 }
}

export function readMove(root: RootDatabase<Buffer, Buffer>): StoredMove | undefined {
  // A view that is valid until the next read, of a buffer that goes on after it.
  const row = root.getBinaryFast(MOVE_KEY) as Buffer | undefined
  if (row === undefined) return undefined
  const phase = PHASES[(row[0] ?? 0) - 1]
  if (phase === undefined) throw metadataError('META_RECORD_DAMAGED', { row: 'move', reason: 'phase' })
  return { phase, fencedUntil: row.readDoubleBE(1), id: row.toString('utf8', ID_AT, row.length) }
}

/** Within a transaction. Undefined: the store is not being moved. */
export function writeMove(root: RootDatabase<Buffer, Buffer>, move: StoredMove | undefined): void {
  if (move === undefined) {
    root.remove(MOVE_KEY)
    return
  }
  const row = Buffer.alloc(ID_AT + Buffer.byteLength(move.id))
  row[0] = PHASES.indexOf(move.phase) + 1
  row.writeDoubleBE(move.fencedUntil, 1)
  row.write(move.id, ID_AT)
  root.put(MOVE_KEY, row)
}

/** META_STORE_CLOSED once the store is elsewhere. */
export function requireHere(root: RootDatabase<Buffer, Buffer>): void {
  if (root.getBinaryFast(MOVE_KEY) !== undefined && readMove(root)?.phase === 'moved') throw closed('moved')
}

/**
 * Within a transaction, before its first write: where its changes are to be noted; undefined: nowhere. META_STORE_CLOSED while
 * the fence stands, and once the store is elsewhere; {@link WritesHeld}, unless it `waitsNoMore`.
 */
export function journalOf(environment: Environment, waitsNoMore: boolean): Journal | undefined {
  const move = readMove(environment.root)
  if (move === undefined) return undefined
  if (move.phase === 'moved') throw closed('moved')
  const isClosed = leftOf(move.fencedUntil) > 0
  if (isClosed && move.phase === 'fenced') throw closed('moving')
  if (isClosed && !waitsNoMore) throw new WritesHeld()
  return new Journal(environment.databases, environment.journal)
}

/** A look without the lock of a write transaction. */
export function areWritesHeld(root: RootDatabase<Buffer, Buffer>): boolean {
  root.resetReadTxn()
  const move = readMove(root)
  return move?.phase === 'journaling' && leftOf(move.fencedUntil) > 0
}

/** Whoever set it may be dead. A clock that was set back does not make it longer. */
function leftOf(fencedUntil: number): number {
  const leftMs = fencedUntil - Date.now()
  return leftMs <= FENCE_MS_LONGEST ? Math.max(0, leftMs) : 0
}

/** Which rows a transaction changes. */
export class Journal {
  readonly #databases: Databases
  readonly #journal: LmdbTable
  readonly #entries = new Map<string, Buffer>()

  constructor(databases: Databases, journal: LmdbTable) {
    this.#databases = databases
    this.#journal = journal
  }

  changed(table: Table, key: Buffer): void {
    // Counters are copied whole.
    if (table === this.#databases.counters) return
    const number = DATABASE_NAMES.findIndex((name) => this.#databases[name] === table)
    invariant(number >= 0, 'a change is of a table of the store')
    const entry = Buffer.concat([Buffer.from([number]), key])
    this.#entries.set(entry.toString('latin1'), entry)
  }

  finish(): void {
    let number = 0n
    for (const key of this.#journal.getKeys({ reverse: true, end: FIRST_KEY, limit: 1 }))
      number = key.readBigUInt64BE(0)
    for (const entry of this.#entries.values()) {
      number += 1n
      const key = Buffer.alloc(NUMBER_BYTES)
      key.writeBigUInt64BE(number)
      void this.#journal.put(key, entry)
    }
  }
}

export function decodeEntry({ key, value }: Row): { readonly id: Buffer; readonly table: DatabaseName; key: Buffer } {
  const table = DATABASE_NAMES[value[0] ?? 0xff]
  if (table === undefined) throw metadataError('META_RECORD_DAMAGED', { row: 'journal', reason: 'table' })
  return { id: key, table, key: value.subarray(1) }
}

function closed(why: 'moving' | 'moved'): Error {
  return metadataError('META_STORE_CLOSED', { closed: why })
}
