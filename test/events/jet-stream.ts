import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type NatsConnection } from 'nats'
import { freePort } from '../harness/free-port.ts'
import { type ProcessGroup, startGroup } from '../harness/process-group.ts'
import { cleanEnvironment } from '../harness/start-server.ts'

const PATIENCE_MS = 60_000

/** A nats-server with JetStream on loopback, that can be killed and comes back with what it had stored. */
export class JetStreamServer {
  readonly url: string
  readonly #program: string
  readonly #port: number
  readonly #directory = mkdtempSync(join(tmpdir(), 'coffer-jetstream-'))
  #group: ProcessGroup | undefined

  private constructor(program: string, port: number) {
    this.#program = program
    this.#port = port
    this.url = `nats://127.0.0.1:${port}`
  }

  static async start(program: string): Promise<JetStreamServer> {
    const server = new JetStreamServer(program, await freePort())
    await server.start()
    return server
  }

  async start(): Promise<void> {
    const args = ['-a', '127.0.0.1', '-p', String(this.#port), '-js', '-sd', this.#directory]
    const group = startGroup(this.#program, args, { env: cleanEnvironment({}), cwd: this.#directory })
    this.#group = group
    const deadline = Date.now() + PATIENCE_MS
    while (!group.logs().includes('Server is ready')) {
      if (group.exited() || Date.now() > deadline) throw new Error(`nats-server did not start:\n${group.logs()}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  async kill(): Promise<void> {
    await this.#group?.kill('SIGKILL')
  }

  async dispose(): Promise<void> {
    await this.kill()
    rmSync(this.#directory, { recursive: true, force: true })
  }

  /** A stream on disk that takes these subjects. */
  async addStream(name: string, subject: string): Promise<void> {
    await this.#with(async (connection) => {
      const manager = await connection.jetstreamManager()
      await manager.streams.add({ name, subjects: [subject], duplicate_window: 120_000_000_000 })
    })
  }

  /** The messages of a stream, in its order. */
  async messages(name: string): Promise<readonly { id: string; body: string }[]> {
    return await this.#with(async (connection) => {
      const manager = await connection.jetstreamManager()
      const { messages, last_seq: last, first_seq: first } = (await manager.streams.info(name)).state
      if (messages === 0) return []
      const found: { id: string; body: string }[] = []
      const consumer = await connection.jetstream().consumers.get(name)
      const taken = await consumer.fetch({ max_messages: last - first + 1, expires: 5_000 })
      for await (const message of taken) {
        found.push({ id: message.headers?.get('Nats-Msg-Id') ?? '', body: message.string() })
        if (message.seq >= last) break
      }
      return found
    })
  }

  async #with<T>(work: (connection: NatsConnection) => Promise<T>): Promise<T> {
    const connection = await connect({ servers: this.url })
    try {
      return await work(connection)
    } finally {
      await connection.close()
    }
  }
}
