import { setTimeout as pause } from 'node:timers/promises'
import type { Databases } from '../rows/databases.ts'
import type { Connection } from './connection.ts'
import type { ConnectionPool } from './connection-pool.ts'
import { allOf, loadRead, type RollUp } from './loading.ts'
import { memoryDatabases, newLoadedTables } from './memory-table.ts'
import { Needs, NotLoaded } from './needs.ts'
import { asMetadataError, isTransient } from './pg-errors.ts'
import type { Statements } from './statements.ts'

/** How long a read is tried again before META_UNAVAILABLE. */
const READ_BUDGET_MS = 8_000
const PAUSE_MS_MAX = 250

export interface ReadOptions {
  /** What it is known to read. */
  readonly needs?: Needs
  /** Rows of a range that come at once. */
  readonly portionRows?: number
  readonly rollUp?: RollUp | undefined
}

/** Reads by plain code over rows in memory: all of them from one snapshot of the store. */
export class Reader {
  readonly #pool: ConnectionPool
  readonly #statements: Statements

  constructor(pool: ConnectionPool, statements: Statements) {
    this.#pool = pool
    this.#statements = statements
  }

  async read<Value>(read: (databases: Databases) => Value, options: ReadOptions = {}): Promise<Value> {
    return await this.retried((connection) => this.#read(connection, read, options))
  }

  /** Work that changes nothing, on one connection; again on another one if that is lost. */
  async retried<Value>(work: (connection: Connection) => Promise<Value>): Promise<Value> {
    const deadline = Date.now() + READ_BUDGET_MS
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#pool.use(work)
      } catch (error) {
        if (!isTransient(error) || Date.now() > deadline) throw asMetadataError(error)
        await pause(Math.random() * Math.min(PAUSE_MS_MAX, 2 ** attempt))
      }
    }
  }

  async #read<Value>(
    connection: Connection,
    read: (databases: Databases) => Value,
    options: ReadOptions,
  ): Promise<Value> {
    const needs = new Needs()
    if (options.needs) needs.add(options.needs)
    else attempt(read, memoryDatabases(newLoadedTables(), options), needs)
    if (needs.isOneStatement) {
      const tables = newLoadedTables()
      await loadRead(connection, this.#statements, needs, tables, options.rollUp)
      const found = attempt(read, memoryDatabases(tables, options), needs)
      if (found) return found.value
    }
    return await this.#readSnapshot(connection, read, needs, options)
  }

  /** What takes several statements reads from one snapshot. */
  async #readSnapshot<Value>(
    connection: Connection,
    read: (databases: Databases) => Value,
    known: Needs,
    options: ReadOptions,
  ): Promise<Value> {
    const tables = newLoadedTables()
    const databases = memoryDatabases(tables, options)
    try {
      const begun = connection.query(this.#statements.beginSnapshot)
      await allOf([begun, loadRead(connection, this.#statements, known, tables, options.rollUp)])
      for (;;) {
        const needs = new Needs()
        const found = attempt(read, databases, needs)
        if (found) return found.value
        await loadRead(connection, this.#statements, needs, tables, options.rollUp)
      }
    } finally {
      // Nobody waits for the answer; the next statement on this connection comes after it.
      connection.query(this.#statements.commit).catch(() => connection.close())
    }
  }
}

/** Undefined: it needs more, which is added to `needs`. */
function attempt<Value>(
  read: (databases: Databases) => Value,
  databases: Databases,
  needs: Needs,
): { readonly value: Value } | undefined {
  try {
    return { value: read(databases) }
  } catch (error) {
    if (!(error instanceof NotLoaded)) throw error
    needs.add(error.needs)
    return undefined
  }
}
