import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../harness/free-port.ts'

const START_TIMEOUT_MS = 20_000
const PAUSE_MS = 50

/** An OpenBao server in development mode, on loopback, with the Transit engine mounted. */
export interface Bao {
  readonly address: string
  readonly rootToken: string
  /** Its HTTP API as root. */
  api(method: string, path: string, body?: object): Promise<{ status: number; data: Record<string, unknown> }>
  stop(): Promise<void>
}

export async function startBao(program: string): Promise<Bao> {
  const port = await freePort()
  const rootToken = `root-${Math.random().toString(36).slice(2)}`
  const home = mkdtempSync(join(tmpdir(), 'coffer-bao-'))
  const server = spawn(
    program,
    [
      'server',
      '-dev',
      '-dev-no-store-token',
      `-dev-root-token-id=${rootToken}`,
      `-dev-listen-address=127.0.0.1:${port}`,
    ],
    { stdio: 'ignore', env: { PATH: process.env.PATH, HOME: home } },
  )
  const address = `http://127.0.0.1:${port}`
  const api: Bao['api'] = async (method, path, body) => {
    const response = await fetch(`${address}/v1/${path}`, {
      method,
      headers: { 'x-vault-token': rootToken, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, data: text === '' ? {} : JSON.parse(text) }
  }
  const deadline = Date.now() + START_TIMEOUT_MS
  while ((await api('GET', 'sys/health').catch(() => undefined))?.status !== 200) {
    if (Date.now() > deadline) throw new Error('OpenBao did not start')
    await sleep(PAUSE_MS)
  }
  await api('POST', 'sys/mounts/transit', { type: 'transit' })
  return {
    address,
    rootToken,
    api,
    async stop() {
      const ended = once(server, 'exit')
      server.kill('SIGTERM')
      await ended
      rmSync(home, { recursive: true, force: true })
    },
  }
}
