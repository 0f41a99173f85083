import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { openTracer } from '@coffer/tracing/open-telemetry'
import { carryOutbound } from '@coffer/tracing/outbound'
import { request } from 'undici'
import { afterAll, expect, it } from 'vitest'

const settings = {
  endpoint: 'http://127.0.0.1:1/v1/traces',
  sampleRatio: 1,
  clientContext: 'link',
  caFile: undefined,
  headersFile: undefined,
} as const

const received: IncomingHttpHeaders[] = []
const server = createServer((incoming, response) => {
  received.push(incoming.headers)
  incoming.resume()
  response.end()
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
const tracer = openTracer(settings, { name: 'test', version: '0', instanceId: '0' }, () => undefined)
carryOutbound(tracer)
afterAll(async () => {
  await tracer.close()
  server.closeAllConnections()
  server.close()
})

const clients: readonly (readonly [string, () => Promise<unknown>])[] = [
  ['undici', async () => (await request(url, { method: 'POST', body: 'x' })).body.dump()],
  ["Node's fetch", async () => (await fetch(url, { method: 'POST', body: 'x' })).arrayBuffer()],
]

it.each(clients)(
  'a request by %s tells whom it asks of the trace, in a span that is carried and in no other',
  async (_, ask) => {
    received.length = 0
    let spanId = ''
    await tracer.root({ name: 'asks', kind: 'client', isCarried: true }, async () => {
      spanId = tracer.current()?.spanId ?? ''
      await ask()
    })
    await tracer.root({ name: 'asks others', kind: 'client' }, ask)
    await ask()
    expect(received.map(({ traceparent }) => String(traceparent).split('-')[2])).toEqual([spanId, undefined, undefined])
  },
)
