import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RequestBody } from './request-body.ts'

const server = createServer()
beforeAll(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterAll(() => server.close())

/** The body of a request whose client says so much, and is gone before anybody reads. */
async function bodyOfOneGone(sent: string): Promise<RequestBody> {
  const arrived = once(server, 'request')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  client.on('error', () => undefined)
  client.write(`PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n${sent}`)
  const [request, response] = (await arrived) as [IncomingMessage, ServerResponse]
  const closed = new Promise((resolve) => request.once('close', resolve))
  client.destroy()
  await closed
  return new RequestBody(request, response)
}

async function readAll(pieces: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of pieces);
}

describe('a body whose client went away before it was asked for', () => {
  it.each(['', 'abc', '0123456789'])('is incomplete at once, with %o sent', async (sent) => {
    const isIncomplete = expect.objectContaining({ code: 'IncompleteBody' })
    await expect((async () => (await bodyOfOneGone(sent)).collect(100))()).rejects.toEqual(isIncomplete)
    await expect((async () => readAll((await bodyOfOneGone(sent)).pieces()))()).rejects.toEqual(isIncomplete)
    await expect((async () => readAll((await bodyOfOneGone(sent)).batches()))()).rejects.toEqual(isIncomplete)
  })
})
