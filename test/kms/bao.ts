import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../harness/free-port.ts'

const START_TIMEOUT_MS = 60_000
const PAUSE_MS = 50

/** An OpenBao server in development mode, on loopback, with the Transit engine mounted. */
export interface Bao {
  readonly address: string
  readonly rootToken: string
  /** Its HTTP API as root. */
  api(method: string, path: string, body?: object): Promise<{ status: number; data: Record<string, unknown> }>
  stop(): Promise<void>
}

/** One that speaks TLS, under an authority of its own. */
export interface TlsBao extends Bao {
  readonly caFile: string
}

export async function startBao(program: string): Promise<Bao> {
  return start(program, mkdtempSync(join(tmpdir(), 'coffer-bao-')))
}

export async function startTlsBao(program: string): Promise<TlsBao> {
  const home = mkdtempSync(join(tmpdir(), 'coffer-bao-tls-'))
  const caFile = join(home, 'vault-ca.pem')
  return { ...(await start(program, home, caFile)), caFile }
}

async function start(program: string, home: string, caFile?: string): Promise<Bao> {
  const port = await freePort()
  const rootToken = `root-${Math.random().toString(36).slice(2)}`
  const server = spawn(
    program,
    [
      'server',
      '-dev',
      '-dev-no-store-token',
      `-dev-root-token-id=${rootToken}`,
      `-dev-listen-address=127.0.0.1:${port}`,
      ...(caFile === undefined ? [] : ['-dev-tls', `-dev-tls-cert-dir=${home}`]),
    ],
    { stdio: 'ignore', env: { PATH: process.env.PATH, HOME: home } },
  )
  const address = `${caFile === undefined ? 'http' : 'https'}://127.0.0.1:${port}`
  const api: Bao['api'] = async (method, path, body) => {
    const url = `${address}/v1/${path}`
    const headers = { 'x-vault-token': rootToken, 'content-type': 'application/json' }
    const text = body === undefined ? undefined : JSON.stringify(body)
    const answer = await (caFile === undefined
      ? fetch(url, { method, headers, ...(text !== undefined && { body: text }) }).then(async (response) => ({
          status: response.status,
          text: await response.text(),
        }))
      : overTls(url, { method, headers, ca: readFileSync(caFile) }, text))
    return { status: answer.status, data: answer.text === '' ? {} : JSON.parse(answer.text) }
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

/** Node's fetch has no option for an authority. */
function overTls(
  url: string,
  options: { method: string; headers: Record<string, string>; ca: Buffer },
  body: string | undefined,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const sending = request(url, options, async (response) => {
      const chunks: Buffer[] = []
      for await (const chunk of response) chunks.push(chunk as Buffer)
      resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() })
    })
    sending.on('error', reject)
    sending.end(body)
  })
}
