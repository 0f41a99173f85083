import { metadataError } from '../../errors.ts'
import type { Connection } from './connection.ts'

interface Waiter {
  take(connection: Connection): void
  fail(error: unknown): void
}

/** Connections that are lent to one user at a time, at most `size` of them. */
export class ConnectionPool {
  readonly #open: () => Promise<Connection>
  readonly #size: number
  readonly #idle: Connection[] = []
  readonly #waiters: Waiter[] = []
  #count = 0
  #closed = false

  constructor(open: () => Promise<Connection>, size: number) {
    this.#open = open
    this.#size = size
  }

  /** Whatever `work` throws is thrown; a connection that was lost is not lent again. */
  async use<Value>(work: (connection: Connection) => Promise<Value>): Promise<Value> {
    const connection = await this.#take()
    try {
      return await work(connection)
    } finally {
      this.#giveBack(connection)
    }
  }

  close(): void {
    this.#closed = true
    for (const connection of this.#idle.splice(0)) connection.close()
    for (const waiter of this.#waiters.splice(0)) waiter.fail(metadataError('META_UNAVAILABLE'))
  }

  async #take(): Promise<Connection> {
    if (this.#closed) throw metadataError('META_UNAVAILABLE')
    for (let idle = this.#idle.pop(); idle; idle = this.#idle.pop()) {
      if (!idle.isLost) return idle
      this.#count -= 1
    }
    if (this.#count < this.#size) return await this.#openOne()
    return await new Promise((take, fail) => this.#waiters.push({ take, fail }))
  }

  async #openOne(): Promise<Connection> {
    this.#count += 1
    try {
      return await this.#open()
    } catch (error) {
      this.#count -= 1
      this.#serveNext()
      throw error
    }
  }

  #giveBack(connection: Connection): void {
    if (connection.isLost || this.#closed) {
      connection.close()
      this.#count -= 1
      this.#serveNext()
      return
    }
    const waiter = this.#waiters.shift()
    if (waiter) waiter.take(connection)
    else this.#idle.push(connection)
  }

  /** A place is free: the longest waiting gets a new connection. */
  #serveNext(): void {
    const waiter = this.#waiters.shift()
    if (waiter) this.#openOne().then(waiter.take, waiter.fail)
  }
}
