import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../harness/free-port.ts'

const START_TIMEOUT_MS = 60_000
const PAUSE_MS = 50

/** A moto server on loopback: AWS's KMS, IAM and STS as a program for tests has them. */
export interface Moto {
  readonly endpoint: string
  stop(): Promise<void>
}

export async function startMoto(program: string): Promise<Moto> {
  const port = await freePort()
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('AWS_')))
  const server = spawn(program, ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore', env })
  const endpoint = `http://127.0.0.1:${port}`
  const isUp = () =>
    fetch(`${endpoint}/moto-api/data.json`).then(
      ({ ok }) => ok,
      () => false,
    )
  const deadline = Date.now() + START_TIMEOUT_MS
  while (!(await isUp())) {
    if (Date.now() > deadline || server.exitCode !== null) throw new Error('moto did not start')
    await sleep(PAUSE_MS)
  }
  return {
    endpoint,
    async stop() {
      const ended = once(server, 'exit')
      server.kill('SIGTERM')
      await ended
    },
  }
}
