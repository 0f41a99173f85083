import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../harness/free-port.ts'
import { startGroup } from '../harness/process-group.ts'
import type { CertificateAuthority } from './certificate-authority.ts'

const START_TIMEOUT_MS = 60_000
const PAUSE_MS = 50

/** A PyKMIP server on loopback, which takes clients of the authority. */
export interface PyKmip {
  readonly port: number
  stop(): Promise<void>
}

export async function startPyKmip(program: string, authority: CertificateAuthority): Promise<PyKmip> {
  const home = mkdtempSync(join(tmpdir(), 'coffer-kmip-'))
  const port = await freePort()
  const { certFile, keyFile } = authority.issue('kmip', 'serverAuth')
  const settings = {
    hostname: '127.0.0.1',
    port,
    certificate_path: certFile,
    key_path: keyFile,
    ca_path: authority.caFile,
    auth_suite: 'TLS1.2',
    policy_path: join(home, 'policies'),
    database_path: join(home, 'keys.db'),
    logging_level: 'WARNING',
  }
  mkdirSync(settings.policy_path)
  const configFile = join(home, 'server.conf')
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}`)
  writeFileSync(configFile, ['[server]', ...lines, ''].join('\n'))
  const args = ['-f', configFile, '-l', join(home, 'server.log')]
  const server = startGroup(program, args, { env: { PATH: process.env.PATH, HOME: home }, cwd: home })
  const deadline = Date.now() + START_TIMEOUT_MS
  while (!(await isListening(port))) {
    if (server.exited() || Date.now() > deadline) throw new Error(`PyKMIP did not start: ${server.logs()}`)
    await sleep(PAUSE_MS)
  }
  return {
    port,
    async stop() {
      // It takes ten seconds to notice a SIGTERM.
      await server.kill('SIGKILL')
      rmSync(home, { recursive: true, force: true })
    },
  }
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
