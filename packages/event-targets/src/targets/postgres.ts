import type { Pool } from 'pg'
import { z } from 'zod'
import { eventTargetError } from '../errors.ts'
import type { EventMessage, EventTarget, EventTargetPlugin } from '../event-target.ts'
import { readSecretFile } from '../secret-file.ts'
import { readTlsFiles, TLS_FILES } from '../tls-files.ts'

const TIMEOUT_MS_DEFAULT = 5_000
/** Each insert is a commit of its own: so many wait for the disk of the server at once. */
const CONNECTIONS_MAX = 8
const IDLE_MS_MAX = 60_000
const TABLE = /^[a-z_][a-z0-9_]{0,62}(\.[a-z_][a-z0-9_]{0,62})?$/
const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', '[::1]', 'localhost'])
/** Classes of SQLSTATE that say something of the message itself: data exceptions and violated constraints. */
const REFUSALS = /^(22|23)/

const PostgresOptions = z.strictObject({
  /** `postgres://host:5432/database`. TLS is required, but to this machine. */
  url: z.string().refine(isServer, 'postgres://host:port/database, without a password'),
  user: z.string().min(1),
  passwordFile: z.string().optional(),
  /** Made where it is missing: see `createTable`. */
  table: z.string().regex(TABLE, 'a-z 0-9 _, with a schema before a dot or without').default('coffer_events'),
  ...TLS_FILES,
  timeoutMs: z.number().int().min(100).max(60_000).default(TIMEOUT_MS_DEFAULT),
})
type PostgresOptions = z.infer<typeof PostgresOptions>

/**
 * A row in a table of PostgreSQL for each message. The message id is the primary key: what is delivered again changes nothing.
 */
export const postgresTarget: EventTargetPlugin<PostgresOptions> = {
  options: PostgresOptions as z.ZodType<PostgresOptions>,
  async open(options, { name }) {
    const { url, user, passwordFile, timeoutMs, table } = options
    const password = passwordFile === undefined ? undefined : await readSecretFile(passwordFile)
    const tls = await readTlsFiles(options)
    const { hostname, port, pathname } = new URL(url)
    const isNear = LOOPBACK.has(hostname) && Object.keys(tls).length === 0
    const { default: pg } = await import('pg')
    const pool = new pg.Pool({
      host: hostname.replace(/^\[(.*)\]$/, '$1'),
      ...(port !== '' && { port: Number(port) }),
      database: decodeURIComponent(pathname.slice(1)),
      user,
      ...(password !== undefined && { password }),
      ssl: isNear ? false : { ...tls, rejectUnauthorized: true, minVersion: 'TLSv1.2' },
      application_name: `coffer events ${name}`,
      max: CONNECTIONS_MAX,
      idleTimeoutMillis: IDLE_MS_MAX,
      connectionTimeoutMillis: timeoutMs,
      query_timeout: timeoutMs,
      statement_timeout: timeoutMs,
    })
    // A connection that is lost while it rests: the next message makes another.
    pool.on('error', () => undefined)
    return new PostgresTarget(pool, table)
  },
}

class PostgresTarget implements EventTarget {
  readonly #pool: Pool
  readonly #table: string
  readonly #insert: { readonly name: string; readonly text: string }
  #ready: Promise<void> | undefined

  constructor(pool: Pool, table: string) {
    this.#pool = pool
    this.#table = table
    const columns = 'id, created_at, event, bucket, object_key, body'
    const values = '$1, to_timestamp($2::float8 / 1000), $3, $4, $5, $6'
    const text = `INSERT INTO ${quoted(table)} (${columns}) VALUES (${values}) ON CONFLICT (id) DO NOTHING`
    this.#insert = { name: 'insert', text }
  }

  async send({ id, createdAt, eventName, bucket, key, body }: EventMessage): Promise<void> {
    try {
      await this.#tableThere()
      // A key may hold U+0000, which PostgreSQL's text cannot: it is in the body, URL-encoded.
      const objectKey = key.includes('\0') ? null : key
      await this.#pool.query({ ...this.#insert, values: [id, createdAt, eventName, bucket, objectKey, body] })
    } catch (cause) {
      const state = sqlStateOf(cause)
      if (state === '42P01') this.#ready = undefined
      const code = state !== undefined && REFUSALS.test(state) ? 'EVENT_TARGET_REFUSED' : 'EVENT_TARGET_UNAVAILABLE'
      throw eventTargetError(code, { reason: state === undefined ? 'no connection' : `SQLSTATE ${state}` }, { cause })
    }
  }

  async close(): Promise<void> {
    await this.#pool.end()
  }

  #tableThere(): Promise<void> {
    this.#ready ??= createTable(this.#pool, this.#table)
    this.#ready.catch(() => {
      this.#ready = undefined
    })
    return this.#ready
  }
}

/** A table that is there is left as it is, and its owner need not be us: inserting is enough. */
async function createTable(pool: Pool, table: string): Promise<void> {
  const name = quoted(table)
  const { rows } = await pool.query<{ oid: string | null }>('SELECT to_regclass($1)::text AS oid', [name])
  if (rows[0]?.oid !== null) return
  await pool.query(`CREATE TABLE IF NOT EXISTS ${name} (
    id text PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY,
    created_at timestamptz NOT NULL,
    event text NOT NULL,
    bucket text NOT NULL,
    object_key text,
    body json NOT NULL
  )`)
}

function quoted(table: string): string {
  return table
    .split('.')
    .map((part) => `"${part}"`)
    .join('.')
}

function sqlStateOf(cause: unknown): string | undefined {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  return /^[0-9A-Z]{5}$/.test(code) && !/^E[A-Z]{4}$/.test(code) ? code : undefined
}

function isServer(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, pathname, username, password, search, hash } = new URL(text)
  const isPlain = username === '' && password === '' && search === '' && hash === ''
  return protocol === 'postgres:' && hostname !== '' && /^\/[^/]+$/.test(pathname) && isPlain
}
