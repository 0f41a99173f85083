import { spawnSync } from 'node:child_process'
import { appendFileSync, chownSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runOrThrow } from '../harness/coffer-command.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { freePort } from '../harness/free-port.ts'
import { postgresPrograms } from '../harness/postgres-server.ts'
import { type ProcessGroup, startGroup } from '../harness/process-group.ts'
import { cleanEnvironment, REPOSITORY, temporaryDirectory } from '../harness/start-server.ts'

/** PostgreSQL refuses to run as root. */
const NOBODY = 65_534
const identity = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}
const PATIENCE = { timeout: 60_000 }
const INSUFFICIENT_PRIVILEGE = '42501'
const NOT_LET_IN = '28000'

describeWithPrograms("the database of compose.yaml's PostgreSQL", ['psql', 'openssl'], (programs) => {
  const directory = temporaryDirectory('compose-postgres')
  const data = join(directory, 'data')
  const file = (name: string) => join(directory, name)
  let port: number
  let server: ProcessGroup

  /** What the image does before it runs the script, and after it (docker-library/postgres, docker-entrypoint.sh). */
  beforeAll(async () => {
    const bin = postgresPrograms() ?? ''
    const env = { ...cleanEnvironment({}), LC_ALL: 'C' }
    const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
    const names = ['-subj', '/CN=postgres', '-addext', 'subjectAltName=DNS:postgres']
    await runOrThrow(
      programs.openssl,
      [...request, ...names, '-keyout', file('server.key'), '-out', file('server.crt')],
      { env },
    )
    writeFileSync(file('password'), 'of-the-mesh\n', { mode: 0o600 })
    writeFileSync(file('admin-password'), 'of-the-administrator\n', { mode: 0o600 })
    copyFileSync(join(REPOSITORY, 'infra/compose/postgres-user.sh'), file('coffer.sh'))
    mkdirSync(file('socket'))
    const ours = ['', 'server.key', 'server.crt', 'password', 'admin-password', 'coffer.sh', 'socket'].map(file)
    if (identity.uid !== undefined) for (const path of ours) chownSync(path, NOBODY, NOBODY)
    const as = { env, cwd: directory, ...identity }
    const run = (program: string, args: readonly string[], more: NodeJS.ProcessEnv = {}) => {
      const { status, stdout, stderr } = spawnSync(program, args, { ...as, env: { ...env, ...more }, encoding: 'utf8' })
      if (status !== 0) throw new Error(`${program} ended with ${status}:\n${stdout}\n${stderr}`)
    }
    run(join(bin, 'initdb'), ['-D', data, '-U', 'postgres', `--pwfile=${file('admin-password')}`, '--no-sync'])
    appendFileSync(join(data, 'pg_hba.conf'), '\nhost all all all scram-sha-256\n')
    port = await freePort()
    const settings = { port, unix_socket_directories: file('socket'), ssl: 'on', ssl_key_file: file('server.key') }
    const start = (listen: string) => {
      const all = { ...settings, ssl_cert_file: file('server.crt'), listen_addresses: listen }
      const flags = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
      return startGroup(join(bin, 'postgres'), ['-D', data, ...flags], as)
    }
    server = start('')
    await untilReady()
    run('/bin/sh', [file('coffer.sh')], {
      PGDATA: data,
      PGHOST: file('socket'),
      PGPORT: String(port),
      POSTGRES_USER: 'postgres',
      MESH_PASSWORD_FILE: file('password'),
    })
    await server.stop()
    // Other containers are not on loopback, which the image trusts.
    const rules = join(data, 'pg_hba.conf')
    const lines = readFileSync(rules, 'utf8').split('\n')
    writeFileSync(rules, lines.filter((line) => !/127\.0\.0\.1|::1/.test(line)).join('\n'))
    server = start('127.0.0.1')
    await untilReady()
  })
  afterAll(async () => {
    await server?.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  async function untilReady(): Promise<void> {
    const deadline = Date.now() + PATIENCE.timeout
    while (!server.logs().includes('ready to accept connections')) {
      if (server.exited() || Date.now() > deadline) throw new Error(server.logs())
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  async function connected(user: string, password: string, isSecure = true): Promise<pg.Client> {
    const ssl = isSecure && { ca: readFileSync(file('server.crt'), 'utf8'), servername: 'postgres' }
    const client = new pg.Client({ host: '127.0.0.1', port, user, password, database: 'coffer', ssl })
    client.on('error', () => undefined)
    await client.connect()
    return client
  }

  it('lets in the mesh, which can do there what it needs', async () => {
    const client = await connected('coffer', 'of-the-mesh')
    await client.query('CREATE SCHEMA coffer; CREATE TABLE coffer.a (key bytea PRIMARY KEY); CREATE SEQUENCE coffer.b')
    await client.end()
  })

  it('lets it do nothing else: no files, no programs, no other users or databases', async () => {
    const client = await connected('coffer', 'of-the-mesh')
    for (const text of [
      "COPY coffer.a FROM PROGRAM 'id'",
      "COPY coffer.a TO '/tmp/stolen'",
      "SELECT pg_read_file('pg_hba.conf')",
      'CREATE ROLE another SUPERUSER',
      'CREATE DATABASE another',
      "ALTER SYSTEM SET archive_command = 'id'",
      'SELECT rolpassword FROM pg_authid',
    ]) {
      await expect(client.query(text), text).rejects.toMatchObject({ code: INSUFFICIENT_PRIVILEGE })
    }
    await client.end()
  })

  it('lets in nobody without TLS, and the administrator not at all', async () => {
    await expect(connected('coffer', 'of-the-mesh', false)).rejects.toMatchObject({ code: NOT_LET_IN })
    await expect(connected('postgres', 'of-the-administrator')).rejects.toMatchObject({ code: NOT_LET_IN })
    await expect(connected('coffer', 'wrong')).rejects.toMatchObject({ code: '28P01' })
  })
})
