import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './free-port.ts'
import { type ProcessGroup, startGroup } from './process-group.ts'
import { cleanEnvironment } from './start-server.ts'

export interface RedisServer {
  readonly port: number
  readonly url: string
  /** SIGKILL: it comes back with what it keeps. */
  kill(): Promise<void>
  start(): Promise<void>
  stop(): Promise<void>
}

const PATIENCE_MS = 60_000

/**
 * A Redis of its own on loopback, behind a password, with nothing in it. By default it keeps nothing; with `keeps` it writes
 * each change down before it answers.
 */
export async function startRedis(
  program: string,
  password: string,
  { keeps = false }: { keeps?: boolean } = {},
): Promise<RedisServer> {
  const directory = mkdtempSync(join(tmpdir(), 'coffer-redis-'))
  const port = await freePort()
  const configFile = join(directory, 'redis.conf')
  const persistence = keeps ? `appendonly yes\nappendfsync always\ndir ${directory}\n` : ''
  const config = `port ${port}\nbind 127.0.0.1\nrequirepass ${password}\nsave ""\n${persistence}`
  writeFileSync(configFile, config, { mode: 0o600 })
  let group: ProcessGroup
  const start = async () => {
    group = startGroup(program, [configFile], { env: cleanEnvironment({}), cwd: directory })
    const deadline = Date.now() + PATIENCE_MS
    while (!/ready to accept connections/i.test(group.logs())) {
      if (group.exited() || Date.now() > deadline) throw new Error(`redis-server did not start:\n${group.logs()}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  await start()
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    kill: () => group.kill('SIGKILL'),
    start,
    async stop() {
      await group.kill('SIGKILL')
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
