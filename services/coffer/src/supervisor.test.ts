import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { mkdtemp, readFile, rm, unlink, writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

const COFFER = new URL('../bin/coffer.js', import.meta.url).pathname
const IS_LINUX = process.platform === 'linux'

let dataDir: string
const running: ChildProcess[] = []
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'coffer-supervisor-'))
})
afterEach(async () => {
  for (const child of running.splice(0)) await stop(child, 'SIGKILL')
  await rm(dataDir, { recursive: true, force: true })
})

interface Started {
  readonly child: ChildProcess
  readonly port: number
  output(): string
}

function launch(flags: readonly string[] = [], settings: Record<string, string> = {}): Omit<Started, 'port'> {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(COFFER_|VITEST|NODE_OPTIONS)/.test(name))
  const env = { ...Object.fromEntries(inherited), ...settings }
  const args = [COFFER, 'server', '--data-dir', dataDir, '--address', '127.0.0.1:0', '--workers', '2', ...flags]
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  running.push(child)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece: Buffer) => (output += piece))
  return { child, output: () => output }
}

async function startServer(flags?: readonly string[], settings?: Record<string, string>): Promise<Started> {
  const { child, output } = launch(flags, settings)
  const ready = vi.waitFor(() => expect(output()).toContain('app.js'), { timeout: 60_000, interval: 20 })
  await Promise.race([ready, once(child, 'exit').then(() => expect.fail(`it ended: ${output()}`))])
  const port = Number(/ready on https:\/\/127\.0\.0\.1:(\d+)/.exec(output())?.[1])
  return { child, port, output }
}

/** What a start that is refused prints; it must end by itself. */
async function refusedStart(flags?: readonly string[], settings?: Record<string, string>): Promise<string> {
  const { child, output } = launch(flags, settings)
  const [code] = await once(child, 'close')
  expect(code, output()).toBe(1)
  return output()
}

async function stop(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
  const ended = once(child, 'exit')
  child.kill(signal)
  await ended
  return child.exitCode
}

async function statusOf(port: number): Promise<number | undefined> {
  const options = { host: '127.0.0.1', port, ca: readFileSync(join(dataDir, 'certs/public.crt')), agent: false }
  const asked = request(options)
  asked.end()
  const [response] = await once(asked, 'response')
  response.resume()
  return response.statusCode
}

function workersOf({ child }: Started): number[] {
  const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')
  return children.trim().split(' ').map(Number)
}

/** Every file but locks, by its content: what must be as it was after a start that was refused. */
function contentOf(directory: string): Record<string, string> {
  const paths = readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort()
  const files = paths.filter(
    (path) => !/(^|[/.-])lock(\.mdb|-journal)?$/.test(path) && statSync(join(directory, path)).isFile(),
  )
  return Object.fromEntries(
    files.map((path) => [
      path,
      createHash('sha256')
        .update(readFileSync(join(directory, path)))
        .digest('hex'),
    ]),
  )
}

describe('the first start', () => {
  test('makes keys, credentials and a certificate, shows no log the secret, and stops gracefully', async () => {
    const first = await startServer()
    const { COFFER_ROOT_SECRET_ACCESS_KEY: secret = '' } = await credentials()
    expect(secret).toHaveLength(40)
    expect(first.output()).not.toContain(secret)
    for (const path of ['secrets/root.key', 'secrets/root-credentials', 'certs/private.key']) {
      expect(statSync(join(dataDir, path)).mode & 0o777, path).toBe(0o600)
    }
    expect(await statusOf(first.port)).toBe(403)
    expect(await stop(first.child)).toBe(0)

    const second = await startServer(['--workers', '1'])
    expect(second.output()).not.toContain(secret)
    expect(await stop(second.child, 'SIGINT')).toBe(0)
  })
})

async function credentials(): Promise<Record<string, string>> {
  const lines = (await readFile(join(dataDir, 'secrets/root-credentials'), 'utf8')).trim().split('\n')
  return Object.fromEntries(lines.map((line) => line.split('=')))
}

describe('a start that is refused changes nothing', () => {
  test('without the root key, with a malformed one, with the wrong one', async () => {
    await stop((await startServer()).child)
    const rootKeyPath = join(dataDir, 'secrets/root.key')
    await unlink(rootKeyPath)
    const before = contentOf(dataDir)
    expect(await refusedStart()).toContain('KMS_ROOT_KEY_MISSING')
    const wrong = Buffer.alloc(32, 1).toString('base64')
    expect(await refusedStart([], { COFFER_ROOT_KEY: wrong })).toContain('KMS_ROOT_KEY_WRONG')
    const malformed = `${dataDir}.malformed`
    await writeFile(malformed, 'not a key')
    expect(await refusedStart(['--root-key-file', malformed])).toContain('KMS_ROOT_KEY_MALFORMED')
    await rm(malformed)
    expect(contentOf(dataDir)).toEqual(before)
  })

  test('on a data directory that another server has', async () => {
    const server = await startServer()
    expect(await refusedStart()).toContain('DATA_DIRECTORY_IN_USE')
    expect(await statusOf(server.port)).toBe(403)
  })

  test('on a port that is taken, leaving no process behind', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    const output = await refusedStart(['--address', `127.0.0.1:${port}`])
    other.close()
    expect(output).toContain('COFFER_ADDRESS_UNAVAILABLE')
    expect(output).toContain('EADDRINUSE')
  })

  test('with an unknown setting, before the data directory is touched', async () => {
    expect(await refusedStart([], { COFFER_WORKRES: '2' })).toContain('Did you mean COFFER_WORKERS?')
    expect(readdirSync(dataDir)).toEqual([])
  })
})

describe.runIf(IS_LINUX)('workers', () => {
  test('get no secret by environment or arguments', async () => {
    const settings = {
      COFFER_ROOT_KEY: Buffer.alloc(32, 9).toString('base64'),
      COFFER_ROOT_ACCESS_KEY_ID: 'ROOTKEY',
      COFFER_ROOT_SECRET_ACCESS_KEY: 'configured-s3cr3t',
    }
    const server = await startServer([], settings)
    const workers = workersOf(server)
    expect(workers).toHaveLength(2)
    for (const pid of workers) {
      const seen = readFileSync(`/proc/${pid}/environ`, 'latin1') + readFileSync(`/proc/${pid}/cmdline`, 'latin1')
      expect(seen).not.toContain(settings.COFFER_ROOT_KEY)
      expect(seen).not.toContain(settings.COFFER_ROOT_SECRET_ACCESS_KEY)
    }
    expect(server.output()).not.toContain(settings.COFFER_ROOT_SECRET_ACCESS_KEY)
    expect(existsSync(join(dataDir, 'secrets/root.key'))).toBe(false)
  })

  test('that are killed are replaced, while the others go on serving', async () => {
    const server = await startServer()
    const [victim = 0, survivor = 0] = workersOf(server)
    process.kill(victim, 'SIGKILL')
    await vi.waitFor(() => expect(server.output()).toContain('the new worker is ready'), {
      timeout: 60_000,
      interval: 20,
    })
    const workers = workersOf(server)
    expect(workers).toHaveLength(2)
    expect(workers).toContain(survivor)
    expect(workers).not.toContain(victim)
    const statuses = await Promise.all(Array.from({ length: 8 }, () => statusOf(server.port)))
    expect(new Set(statuses)).toEqual(new Set([403]))
    expect(await stop(server.child)).toBe(0)
  })

  test('end when the supervisor is killed, and the next server takes over', async () => {
    const server = await startServer()
    const workers = workersOf(server)
    await stop(server.child, 'SIGKILL')
    const areGone = () =>
      workers.every((pid) => !existsSync(`/proc/${pid}/cmdline`) || readFileSync(`/proc/${pid}/cmdline`).length === 0)
    await vi.waitFor(() => expect(areGone()).toBe(true), { timeout: 60_000, interval: 20 })
    const next = await startServer()
    expect(await statusOf(next.port)).toBe(403)
  })
})
