import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { expect, it } from 'vitest'

const KILLS = 15
const LANES = 8

/** Answers at once. Told the path of a file it takes no connection any more, as it is busy until that is there, and then ends. */
const WORKER = `
  import { existsSync } from 'node:fs'
  import { createServer } from 'node:net'
  const server = createServer((socket) => socket.on('error', () => {}).end('x'))
  server.listen(0, '127.0.0.1', () => process.send(server.address().port))
  process.on('message', (isOver) => {
    const pause = new Int32Array(new SharedArrayBuffer(4))
    while (!existsSync(isOver)) Atomics.wait(pause, 0, 0, 10)
    process.exit(0)
  })`

/** `act`: what it does with `fork`, `handed` and `tell`, and with the file that is there when it is `over`. */
const primary = (act: string) => `
  import cluster from 'node:cluster'
  import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
  import { tmpdir } from 'node:os'
  import { join } from 'node:path'
  import { HandedConnections } from ${JSON.stringify(import.meta.resolve('./handed-connections.ts'))}
  const directory = mkdtempSync(join(tmpdir(), 'coffer-handed-'))
  process.on('exit', () => {
    for (const worker of Object.values(cluster.workers)) worker.process.kill('SIGKILL')
    rmSync(directory, { recursive: true })
  })
  const exec = join(directory, 'worker.mjs')
  writeFileSync(exec, ${JSON.stringify(WORKER)})
  cluster.setupPrimary({ exec, args: [], execArgv: [] })
  const handed = new HandedConnections()
  const fork = () => cluster.fork()
  const tell = (text) => console.log(text)
  const over = join(directory, 'over')
  process.stdin.on('end', () => process.exit(0))
  ${act}
  process.stdin.resume()`

interface Primary {
  /** What it says next. */
  line(): Promise<string>
  say(text: string): void
  stop(): Promise<void>
}

function startPrimary(act: string): Primary {
  const args = ['--input-type=module', '-e', primary(act)]
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    line: async () => String((await lines.next()).value),
    say: (text) => child.stdin.write(`${text}\n`),
    async stop() {
      child.stdin.end()
      await once(child, 'exit')
    },
  }
}

async function connected(port: number): Promise<Socket> {
  const client = connect(port, '127.0.0.1').on('error', () => {})
  await once(client, 'connect')
  return client
}

/** Whether the clients are let go; where they are not to be, that is waited for a second. */
async function areLetGo(clients: readonly Socket[], isExpected: boolean): Promise<boolean> {
  const closed = Promise.all(clients.map((client) => client.closed || once(client, 'close')))
  for (const client of clients) client.resume()
  if (isExpected) await closed
  const waiting = new Promise<boolean>((resolve) => setTimeout(resolve, 1_000, false))
  const isOver = await Promise.race([closed.then(() => true), waiting])
  for (const client of clients) client.destroy()
  return isOver
}

/** Of clients that connect while the only worker ends. */
async function letsGo(closes: boolean): Promise<boolean> {
  const server = startPrimary(`
    const worker = fork()
    if (${closes}) handed.follow(worker)
    worker.on('message', tell)
    process.stdin.once('data', () => {
      worker.send(over, () => tell('told'))
      // Whoever has connected before it is said again has been accepted a turn later.
      process.stdin.once('data', () => setImmediate(() => setImmediate(() => writeFileSync(over, ''))))
    })
    worker.on('exit', () => {
      handed.closeAll()
      tell('gone')
    })`)
  const port = Number(await server.line())
  server.say('end')
  // The worker hears it before it hears of a connection: one channel, in order.
  expect(await server.line()).toBe('told')
  const clients = await Promise.all(Array.from({ length: 3 }, () => connected(port)))
  server.say('over')
  expect(await server.line()).toBe('gone')
  const isOver = await areLetGo(clients, closes)
  await server.stop()
  return isOver
}

/** Of clients that connect while one of two workers is busy, and is killed then. */
async function letsGoOfKilled(closes: boolean): Promise<boolean> {
  const server = startPrimary(`
    const [busy, other] = [fork(), fork()]
    for (const worker of [busy, other]) {
      if (${closes}) handed.follow(worker)
      worker.on('message', tell)
    }
    busy.on('exit', () => tell('gone'))
    process.stdin.once('data', () => {
      busy.send(over, () => tell('told'))
      process.stdin.once('data', () => busy.process.kill('SIGKILL'))
    })`)
  const port = Number(await server.line())
  await server.line()
  server.say('stick')
  expect(await server.line()).toBe('told')
  const clients = await Promise.all(Array.from({ length: 4 }, () => connected(port)))
  server.say('kill')
  expect(await server.line()).toBe('gone')
  const isOver = await areLetGo(clients, closes)
  await server.stop()
  return isOver
}

it('closes connections that no worker has taken, when all workers are gone', async () => {
  expect(await letsGo(true)).toBe(true)
})

it('closes those that a worker was handed which was killed, while others go on', async () => {
  expect(await letsGoOfKilled(true)).toBe(true)
})

it('is needed: node:cluster leaves them open', async () => {
  expect(await letsGo(false)).toBe(false)
  expect(await letsGoOfKilled(false)).toBe(false)
})

it('leaves no client waiting, however often workers are killed under their connections', async () => {
  const server = startPrimary(`
    let kills = 0
    const listening = []
    const start = () => {
      const worker = fork()
      handed.follow(worker)
      worker.on('message', (at) => {
        listening.push(worker)
        if (listening.length < 3) return start()
        tell(kills === 0 ? at : 'another')
        if (kills === ${KILLS}) return
        kills += 1
        listening.shift().process.kill('SIGKILL')
        start()
      })
    }
    start()`)
  const port = Number(await server.line())
  let isOver = false
  let answered = 0
  const lanes = Array.from({ length: LANES }, async () => {
    while (!isOver) {
      const client = connect(port, '127.0.0.1').on('error', () => {})
      client.on('data', () => answered++)
      await new Promise((resolve) => client.once('close', resolve))
    }
  })
  for (let kill = 1; kill <= KILLS; kill++) expect(await server.line()).toBe('another')
  isOver = true
  await Promise.all(lanes)
  expect(answered).toBeGreaterThan(0)
  await server.stop()
})
