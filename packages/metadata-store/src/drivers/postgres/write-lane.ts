import { randomBytes, randomInt } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { isCofferError } from '@coffer/errors'
import { metadataError } from '../../errors.ts'
import { HELD_LOOK_MS, HELD_MS_MAX, WritesHeld } from '../move/move-store.ts'
import type { WriteBatch } from '../rows/write-batch.ts'
import type { Connection } from './connection.ts'
import { areWritesHeld, isJournaling, sendJournal } from './journal.ts'
import { allOf, loadLocked } from './loading.ts'
import { Needs, NotLoaded } from './needs.ts'
import { asMetadataError, ConnectionLost, isConflict, isOutcomeUnknown, isTransient } from './pg-errors.ts'
import { PostgresBatch } from './postgres-batch.ts'
import { SHARD_COUNT, type Statements } from './statements.ts'

/** How long a write is tried again and again before it is given up with META_UNAVAILABLE. */
const WRITE_BUDGET_MS = 8_000
/** How long the fate of a commit is asked for. */
const OUTCOME_BUDGET_MS = 8_000
const PAUSE_MS_MAX = 250

export interface PendingChange {
  readonly sizeBytes: number
  readonly needs: Needs
  readonly run: (batch: WriteBatch) => unknown
  readonly resolve: (result: unknown) => void
  readonly reject: (error: unknown) => void
}

type Outcome = { readonly result: unknown } | { readonly refused: unknown }

interface Ran {
  readonly outcomes: readonly Outcome[]
  /** The store is being moved: what is changed is noted. */
  readonly isJournaling: boolean
}

/**
 * One connection that writes, a transaction at a time.
 *
 * A session is a row of its own that each transaction locks first and counts last. When a connection is lost after COMMIT was
 * sent, the row tells whether it was made: whoever holds its lock knows that the transaction has ended, and the count says how
 * (docs/decisions/0009).
 */
export class WriteLane {
  readonly #open: () => Promise<Connection>
  readonly #statements: Statements
  readonly #shard = randomInt(SHARD_COUNT)
  #connection: Connection | undefined
  #sessionId = Buffer.alloc(0)
  #sequence = 0

  constructor(open: () => Promise<Connection>, statements: Statements) {
    this.#open = open
    this.#statements = statements
  }

  /** Settles every change; never fails. */
  async commit(changes: readonly PendingChange[]): Promise<void> {
    let deadline = Date.now() + WRITE_BUDGET_MS
    let heldUntil: number | undefined
    for (let attempt = 1; ; attempt += 1) {
      try {
        const outcomes = await this.#attempt(changes, heldUntil !== undefined && Date.now() >= heldUntil)
        for (const [index, change] of changes.entries()) settle(change, outcomes[index])
        return
      } catch (error) {
        if (error instanceof WritesHeld) {
          const sinceMs = Date.now()
          heldUntil ??= sinceMs + HELD_MS_MAX
          await this.#untilOpen(heldUntil)
          deadline += Date.now() - sinceMs
          continue
        }
        const isLast = Date.now() > deadline
        if (!isTransient(error) || isLast) return await this.#giveUp(changes, error)
        // A conflict of one change must not hold up the others for long.
        if (isConflict(error) && attempt >= 3 && changes.length > 1) return await this.#commitHalves(changes)
        await pause(Math.random() * Math.min(PAUSE_MS_MAX, 2 ** attempt))
      }
    }
  }

  async close(): Promise<void> {
    const connection = this.#connection
    this.#connection = undefined
    if (!connection || connection.isLost) return
    await connection.query(this.#statements.endSession, [this.#sessionId]).catch(() => undefined)
    connection.close()
  }

  /** Looks without a transaction, so that nobody's row is locked meanwhile. */
  async #untilOpen(end: number): Promise<void> {
    do {
      await pause(HELD_LOOK_MS)
      const connection = this.#connection
      const look = connection?.query(this.#statements.lookAtSession, [this.#sessionId])
      const session = await look?.then(({ rows }) => rows[0]).catch(() => undefined)
      // Of a connection that is lost the next attempt finds out.
      if (!areWritesHeld(session)) return
    } while (Date.now() < end)
  }

  /** One transaction. Returns what became of each change; throws if nothing of it was kept. */
  async #attempt(changes: readonly PendingChange[], waitsNoMore: boolean): Promise<readonly Outcome[]> {
    const connection = await this.#connected()
    const batch = new PostgresBatch()
    let ran: Ran
    try {
      ran = await this.#run(connection, batch, changes, waitsNoMore)
    } catch (error) {
      if (!connection.isLost) await connection.query(this.#statements.rollback).catch(() => connection.close())
      throw error
    }
    if (!batch.hasWrites) {
      await connection.query(this.#statements.rollback)
      return ran.outcomes
    }
    await this.#finish(connection, batch, ran.isJournaling)
    return ran.outcomes
  }

  /** Loads what the changes need, and runs them. */
  async #run(
    connection: Connection,
    batch: PostgresBatch,
    changes: readonly PendingChange[],
    waitsNoMore: boolean,
  ): Promise<Ran> {
    const begun = connection.query(this.#statements.begin)
    const session = connection.query(this.#statements.lockSession, [this.#sessionId])
    let needs = new Needs()
    for (const change of changes) needs.add(change.needs)
    const outcomes: (Outcome | undefined)[] = changes.map(() => undefined)
    const loaded = loadLocked(connection, this.#statements, needs, batch.state, this.#shard)
    await allOf([begun, session, loaded])
    const { rows } = await session
    if (rows.length === 0) {
      connection.close()
      throw new ConnectionLost('its session is not known any more')
    }
    const isNoted = isJournaling(rows[0], waitsNoMore)
    while (outcomes.includes(undefined)) {
      needs = new Needs()
      for (const [index, change] of changes.entries()) {
        if (outcomes[index] === undefined) outcomes[index] = attemptChange(batch, change, needs)
      }
      if (outcomes.includes(undefined)) await loadLocked(connection, this.#statements, needs, batch.state, this.#shard)
    }
    return { outcomes: outcomes as readonly Outcome[], isJournaling: isNoted }
  }

  async #finish(connection: Connection, batch: PostgresBatch, isJournaling: boolean): Promise<void> {
    const sequence = this.#sequence + 1
    const sent = batch.send(connection, this.#statements, this.#shard)
    if (isJournaling) {
      sent.push(sendJournal(connection, this.#statements, batch.databases, { id: this.#sessionId, sequence }))
    }
    sent.push(connection.query(this.#statements.countSession, [this.#sessionId, sequence]))
    const committed = connection.query(this.#statements.commit)
    try {
      await allOf([...sent, committed])
      // A COMMIT of a transaction that has failed is answered with ROLLBACK.
      if ((await committed).command !== 'COMMIT') throw metadataError('META_UNAVAILABLE')
      this.#sequence = sequence
    } catch (error) {
      if (!connection.isLost && !isOutcomeUnknown(error)) {
        await connection.query(this.#statements.rollback).catch(() => connection.close())
        throw error
      }
      connection.close()
      if (!(await this.#wasCommitted(sequence))) throw error
    }
  }

  /**
   * Asks what became of a transaction whose COMMIT got no answer. META_UNAVAILABLE if nobody answers in time: then the caller
   * must not be told either.
   */
  async #wasCommitted(sequence: number): Promise<boolean> {
    const deadline = Date.now() + OUTCOME_BUDGET_MS
    for (;;) {
      try {
        const connection = await this.#open()
        try {
          // Waits for a transaction that the server still works on.
          const { rows } = await connection.query(this.#statements.lockSession, [this.#sessionId])
          return Number(rows[0]?.sequence) === sequence
        } finally {
          connection.close()
        }
      } catch (error) {
        if (Date.now() > deadline || !isTransient(error)) {
          throw metadataError('META_UNAVAILABLE', { outcome: 'unknown' }, { cause: error })
        }
        await pause(PAUSE_MS_MAX)
      }
    }
  }

  async #connected(): Promise<Connection> {
    if (this.#connection && !this.#connection.isLost) return this.#connection
    this.#connection = undefined
    const connection = await this.#open()
    try {
      this.#sessionId = randomBytes(16)
      this.#sequence = 0
      await connection.query(this.#statements.addSession, [this.#sessionId])
    } catch (error) {
      connection.close()
      throw error
    }
    this.#connection = connection
    return connection
  }

  async #commitHalves(changes: readonly PendingChange[]): Promise<void> {
    const middle = changes.length >> 1
    await this.commit(changes.slice(0, middle))
    await this.commit(changes.slice(middle))
  }

  /** If one change was at fault, the others must not fail with it. */
  async #giveUp(changes: readonly PendingChange[], error: unknown): Promise<void> {
    const isOfOne = !isTransient(error) && !isCofferError(error, 'META_STORE_CLOSED')
    if (changes.length > 1 && isOfOne) return await this.#commitHalves(changes)
    for (const change of changes) change.reject(asMetadataError(error))
  }
}

/** Undefined: it needs more, which is added to `needs`. */
function attemptChange(batch: PostgresBatch, change: PendingChange, needs: Needs): Outcome | undefined {
  try {
    return { result: batch.attempt(change.run) }
  } catch (error) {
    if (!(error instanceof NotLoaded)) return { refused: error }
    needs.add(error.needs)
    return undefined
  }
}

function settle(change: PendingChange, outcome: Outcome | undefined): void {
  if (!outcome) change.reject(metadataError('META_UNAVAILABLE'))
  else if ('refused' in outcome) change.reject(outcome.refused)
  else change.resolve(outcome.result)
}
