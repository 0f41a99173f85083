import type { DatabaseName } from '../rows/databases.ts'
import type { Row } from '../rows/table.ts'
import type { StoreCounters } from '../transfer.ts'

/** What a store that is being moved says of itself; each write transaction reads it before it writes. */
export interface MoveState {
  /** Of this move, made at its beginning. */
  readonly id: string
  /**
   * `journaling`: every transaction notes which rows it changes. `fenced`: and none may write for the moment (META_STORE_CLOSED).
   * `moved`: the store is elsewhere, nothing is read or written here any more.
   */
  readonly phase: 'journaling' | 'fenced' | 'moved'
  /** While it is `journaling`: writes wait now and then, so that they come no faster than they are replayed. */
  readonly isSlowed: boolean
}

/**
 * What writes that are held wait at most. They are made then in spite of it: a hold is there for speed, and what is written during
 * one is in the journal as well. So nobody waits for turn after turn, and no more than a transaction of each writer comes between.
 */
export const HELD_MS_MAX = 5_000

/** So often who is held looks whether it is over: more often than the shortest time in which writes go on (`catchUp`). */
export const HELD_LOOK_MS = 10

/** Thrown in a write transaction, before its first write: it is to be made again when the hold is over. */
export class WritesHeld extends Error {
  constructor() {
    super('writes are held for a moment')
  }
}

/** A row as it is now; without a value: it is not there. */
export interface ChangedRow {
  readonly table: DatabaseName
  readonly key: Buffer
  readonly value: Buffer | undefined
}

export interface JournalPage {
  readonly state: MoveState | undefined
  /** Of the entries: what `forgetJournal` takes. */
  readonly ids: readonly Buffer[]
  readonly rows: readonly ChangedRow[]
}

/** A store that others go on writing while it is moved. */
export interface MoveSource {
  readMove(): Promise<MoveState | undefined>
  /** From when it resolves on every committed change is in the journal. Nobody else may be moving it. */
  beginMove(id: string): Promise<void>
  /** In order, strictly after `after`. */
  read(table: DatabaseName, after: Buffer | undefined, limit: number): Promise<readonly Row[]>
  /** Entries, and the rows that they name as they are: from one snapshot, so a later change has a later entry. */
  readJournal(limits: { readonly entryCount: number; readonly sizeBytes: number }): Promise<JournalPage>
  forgetJournal(ids: readonly Buffer[]): Promise<void>
  /** Stops counting at `countMax`. */
  countJournal(countMax: number): Promise<number>
  /** Rows as they are, and which of them the journal names: from one snapshot. */
  inspect(
    table: DatabaseName,
    keys: readonly Buffer[],
  ): Promise<readonly (ChangedRow & { readonly isPending: boolean })[]>
  readCounters(): Promise<StoreCounters>
  countRows(table: DatabaseName): Promise<number>
  /** No write is made from when it resolves on, for so long at most: whoever sets it may die. */
  fence(id: string, durationMs: number): Promise<void>
  unfence(id: string): Promise<void>
  /**
   * Writes wait for so long from when it resolves on, and are made then: nobody is refused. 0: they wait no more. None waits for
   * longer than {@link HELD_MS_MAX}.
   */
  hold(id: string, durationMs: number): Promise<void>
  /** Atomically: if no change is in the journal, the store is elsewhere from now on. False: one is. */
  finishMove(id: string): Promise<boolean>
  /** As if there had been no move. */
  abandonMove(): Promise<void>
  close(): Promise<void>
}

/** Where a store comes to. Nobody else has it open, and a move that was before has no write under way. */
export interface MoveTarget {
  read(table: DatabaseName, after: Buffer | undefined, limit: number): Promise<readonly Row[]>
  readKeys(table: DatabaseName, keys: readonly Buffer[]): Promise<readonly ChangedRow[]>
  /** All of them in one atomic write, on stable storage when it resolves. */
  change(rows: readonly ChangedRow[]): Promise<void>
  lastKey(table: DatabaseName): Promise<Buffer | undefined>
  countRows(table: DatabaseName): Promise<number>
  /** In the place of those that are there. */
  writeCounters(counters: StoreCounters): Promise<void>
  close(): Promise<void>
}
