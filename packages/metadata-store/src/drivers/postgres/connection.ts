import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import pg from 'pg'
import { metadataError } from '../../errors.ts'
import { ConnectionLost, isTransient, sqlStateOf } from './pg-errors.ts'

/** How long the server works on one statement. */
const STATEMENT_TIMEOUT_MS = 10_000
/** How long it waits for the next one of a transaction, before it takes the client for lost and lets go of its locks. */
const IDLE_TRANSACTION_TIMEOUT_MS = 5_000
/** A server that says nothing for longer is taken for lost. */
const ANSWER_TIMEOUT_MS = 15_000
const CONNECT_TIMEOUT_MS = 5_000
const KEEP_ALIVE_AFTER_MS = 10_000

export interface ServerSettings {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly database: string
  /** Of the store: connections are named for it. */
  readonly schema?: string | undefined
  /** Read at each connection, so that a password can be changed in place. */
  readonly passwordFile?: string | undefined
  /** Absent: no TLS. */
  readonly tls?: Pick<ConnectionOptions, 'ca' | 'cert' | 'key'> | undefined
}

/** PostgreSQL cuts longer ones off (NAMEDATALEN). */
const CLIENT_NAME_BYTES_MAX = 63

/** What the server calls the connections to one store. */
export function clientName(schema = 'coffer'): string {
  return `coffer:${schema}`.slice(0, CLIENT_NAME_BYTES_MAX)
}

/** A statement that the server prepares once for each connection. */
export interface Statement {
  readonly name: string
  readonly text: string
}

export type ResultRow = Readonly<Record<string, unknown>>

export interface Result {
  /** `SELECT`, `COMMIT`... */
  readonly command: string
  readonly rows: readonly ResultRow[]
}

/** The planner is told what the driver knows: every statement is a look-up or a range of a primary key. */
const PLANNER_SETTINGS = ['enable_seqscan = off', 'jit = off', 'plan_cache_mode = force_generic_plan']

/** Settings under which an acknowledged commit can be lost with the power. */
const DURABILITY_QUERY = `SELECT current_setting('synchronous_commit', true) AS synchronous_commit, current_setting('fsync', true) AS fsync`

/** One connection. Statements are sent as they come, without waiting for the answers to earlier ones. */
export class Connection {
  readonly #client: pg.Client
  #isLost = false

  private constructor(client: pg.Client) {
    this.#client = client
    // Without listeners an error of an idle connection would end the process.
    client.on('error', () => this.#lose())
    client.on('end', () => this.#lose())
  }

  /** META_STORE_UNSAFE if the server may lose what it has acknowledged; META_UNAVAILABLE, META_STORE_REFUSED. */
  static async open(settings: ServerSettings): Promise<Connection> {
    const { passwordFile, tls } = settings
    const client = new pg.Client({
      host: settings.host,
      port: settings.port,
      user: settings.user,
      database: settings.database,
      ...(passwordFile !== undefined && { password: () => readFileSync(passwordFile, 'utf8').trimEnd() }),
      ssl: tls ? { ...tls, rejectUnauthorized: true, minVersion: 'TLSv1.2' } : false,
      pipeline: true,
      application_name: clientName(settings.schema),
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      idle_in_transaction_session_timeout: IDLE_TRANSACTION_TIMEOUT_MS,
      query_timeout: ANSWER_TIMEOUT_MS,
    } as pg.ClientConfig)
    const connection = new Connection(client)
    try {
      await client.connect()
    } catch (error) {
      connection.close()
      throw sqlStateOf(error) === undefined ? new ConnectionLost(error) : error
    }
    await connection.#prepareSession()
    return connection
  }

  get isLost(): boolean {
    return this.#isLost
  }

  async query(statement: Statement, values: readonly unknown[] = []): Promise<Result> {
    return await this.#send({ name: statement.name, text: statement.text, values: [...values] })
  }

  /** Not prepared: for what is run once. */
  async run(text: string): Promise<Result> {
    return await this.#send({ text })
  }

  /** Never fails, and waits for nothing. */
  close(): void {
    this.#isLost = true
    this.#client.end().catch(() => undefined)
  }

  async #send(query: pg.QueryConfig): Promise<Result> {
    try {
      const { command, rows } = await this.#client.query<ResultRow>(query)
      return { command, rows }
    } catch (error) {
      if (sqlStateOf(error) !== undefined) {
        if (String((error as { severity?: unknown }).severity) !== 'ERROR') this.close()
        throw error
      }
      this.close()
      throw new ConnectionLost(error)
    }
  }

  async #prepareSession(): Promise<void> {
    try {
      const { rows } = await this.run(DURABILITY_QUERY)
      for (const [setting, value] of Object.entries(rows[0] ?? {})) {
        if (value === 'off') throw metadataError('META_STORE_UNSAFE', { setting, value })
      }
      for (const setting of PLANNER_SETTINGS) {
        // Servers that speak the protocol but plan in another way don't know all of these.
        await this.run(`SET ${setting}`).catch((error: unknown) => {
          if (isTransient(error)) throw error
        })
      }
    } catch (error) {
      this.close()
      throw error
    }
  }

  #lose(): void {
    this.#isLost = true
  }
}
