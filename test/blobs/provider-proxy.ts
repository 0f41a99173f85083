import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { freePort } from '../harness/free-port.ts'

/** What was asked for, and what the provider answered. */
export interface Exchange {
  readonly method: string
  readonly path: string
  status: number
  headers: Record<string, string | string[] | undefined>
  body: Buffer
}

/** `cut`: the connection ends after the first half of the body. `lose`: the answer never comes, the connection is closed. */
export type Delivery = 'whole' | 'cut' | 'lose'

/** Between Coffer and a provider: a provider that is not what it should be. */
export interface ProviderProxy {
  readonly endpoint: string
  /** Changes an answer in place, and says how it is delivered. */
  distort: (exchange: Exchange) => Delivery
  /** A request goes on when this resolves. */
  admit: (request: IncomingMessage) => Promise<void>
  /** Nothing gets through. */
  isAway: boolean
  stop(): Promise<void>
}

export async function startProviderProxy(target: string): Promise<ProviderProxy> {
  const port = await freePort()
  const proxy: ProviderProxy = {
    endpoint: `http://127.0.0.1:${port}`,
    distort: () => 'whole',
    admit: async () => {},
    isAway: false,
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  const server = createServer((incoming, outgoing) => {
    if (proxy.isAway) return void incoming.socket.destroy()
    proxy
      .admit(incoming)
      .then(() => forward(incoming, target))
      .then((exchange) => deliver(exchange, proxy.distort(exchange), outgoing))
      .catch(() => incoming.socket.destroy())
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return proxy
}

/** With the Host header of the caller: it is signed. */
async function forward(incoming: IncomingMessage, target: string): Promise<Exchange> {
  const { method = '', url: path = '', headers } = incoming
  const outgoing = request(new URL(path, target), { method, headers })
  incoming.pipe(outgoing)
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
  const pieces: Buffer[] = []
  for await (const piece of answer) pieces.push(piece as Buffer)
  return { method, path, status: answer.statusCode ?? 0, headers: { ...answer.headers }, body: Buffer.concat(pieces) }
}

function deliver({ method, status, headers, body }: Exchange, delivery: Delivery, outgoing: ServerResponse): void {
  if (delivery === 'lose') return void outgoing.socket?.destroy()
  outgoing.writeHead(status, headers)
  if (method === 'HEAD' || delivery === 'whole') return void outgoing.end(method === 'HEAD' ? undefined : body)
  outgoing.write(body.subarray(0, body.length / 2), () => outgoing.socket?.destroy())
}
