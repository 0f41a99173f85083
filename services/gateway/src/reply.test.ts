import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { sendReply } from './reply.ts'

const BATCH_BYTES = 1024 * 1024
const BATCH_COUNT = 32
/** More than any socket takes without a reader. */
const MANY_BATCHES = 256

let close: () => void = () => undefined
afterEach(() => close())

/** Serves one reply of so many batches; `ended` resolves when `sendReply` has. */
async function serve(batchCount: number) {
  const seen = { batches: 0, isClosed: false }
  async function* stream() {
    try {
      for (let index = 0; index < batchCount; index++) {
        seen.batches++
        yield [Buffer.alloc(BATCH_BYTES, index)]
      }
    } finally {
      seen.isClosed = true
    }
  }
  let end: () => void
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  const server = createServer((_request, response) => {
    const headers = { 'content-length': batchCount * BATCH_BYTES }
    void sendReply(response, { status: 200, headers, stream: stream() }).then(end)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  close = () => server.close()
  const sent = request({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', agent: false }).end()
  const [response] = await once(sent, 'response')
  return { seen, ended, response }
}

describe('a reply that is a stream', () => {
  it('comes whole and in order, however slowly it is read', async () => {
    const { seen, ended, response } = await serve(BATCH_COUNT)
    let sizeBytes = 0
    for await (const piece of response) {
      expect(piece[0]).toBe(Math.floor(sizeBytes / BATCH_BYTES))
      sizeBytes += piece.length
      await turn()
    }
    await ended
    expect(sizeBytes).toBe(BATCH_COUNT * BATCH_BYTES)
    expect(seen.isClosed).toBe(true)
  })

  it('ends, and closes what it reads from, when the client goes away while it waits for room', async () => {
    const { seen, ended, response } = await serve(MANY_BATCHES)
    await once(response, 'readable')
    response.destroy()
    await ended
    expect(seen.isClosed).toBe(true)
    expect(seen.batches).toBeLessThan(MANY_BATCHES)
  })
})
