import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { expect, it } from 'vitest'

/** A worker that takes no connection any more, as it is busy, and then ends. */
const WORKER = `
  import { createServer } from 'node:net'
  const server = createServer(() => {}).listen(0, '127.0.0.1', () => process.send(server.address().port))
  process.on('message', () => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000)
    process.exit(0)
  })`

const primary = (closes: boolean) => `
  import cluster from 'node:cluster'
  import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
  import { tmpdir } from 'node:os'
  import { join } from 'node:path'
  import { HandedConnections } from ${JSON.stringify(import.meta.resolve('./handed-connections.ts'))}
  const directory = mkdtempSync(join(tmpdir(), 'coffer-handed-'))
  process.on('exit', () => rmSync(directory, { recursive: true }))
  const exec = join(directory, 'worker.mjs')
  writeFileSync(exec, ${JSON.stringify(WORKER)})
  cluster.setupPrimary({ exec, args: [], execArgv: [] })
  const worker = cluster.fork()
  const handed = new HandedConnections()
  handed.follow(worker)
  worker.on('message', (port) => console.log(port))
  process.stdin.once('data', () => worker.send('end', () => console.log('told')))
  worker.on('exit', () => {
    if (${closes}) handed.closeAll()
    console.log('gone')
  })
  process.stdin.on('end', () => process.exit(0))
  process.stdin.resume()`

/** Whether clients that connect while the worker ends are let go when it has ended. */
async function letsGo(closes: boolean): Promise<boolean> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', primary(closes)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const port = Number((await lines.next()).value)
  child.stdin.write('end\n')
  // The worker hears it before it hears of a connection: one channel, in order.
  expect((await lines.next()).value).toBe('told')
  const clients = Array.from({ length: 3 }, () => connect(port, '127.0.0.1').on('error', () => {}))
  await Promise.all(clients.map((client) => once(client, 'connect')))
  const closed = Promise.all(clients.map((client) => new Promise((resolve) => client.once('close', resolve))))
  for (const client of clients) client.resume()
  expect((await lines.next()).value).toBe('gone')
  const isOver = await Promise.race([
    closed.then(() => true),
    closes ? closed.then(() => true) : new Promise<boolean>((resolve) => setTimeout(resolve, 1_000, false)),
  ])
  for (const client of clients) client.destroy()
  child.stdin.end()
  await once(child, 'exit')
  return isOver
}

it('closes connections that no worker has taken, when all workers are gone', async () => {
  expect(await letsGo(true)).toBe(true)
})

it('is needed: node:cluster leaves them open', async () => {
  expect(await letsGo(false)).toBe(false)
})
