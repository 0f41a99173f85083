import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What lies between: changes a byte of what `victim` objects hold, and cuts off the first answer for each `cut` object. */
export interface TamperingProxy {
  readonly endpoint: string
  cutCount(): number
  [Symbol.asyncDispose](): Promise<void>
}

export async function startTamperingProxy(target: string): Promise<TamperingProxy> {
  const cut = new Set<string>()
  const server = createServer((incoming, outgoing) => {
    const { method, url = '', headers } = incoming
    const isBody = method === 'GET' && !url.includes('tagging') && !url.includes('list-type')
    const forward = request(`${target}${url}`, { method, headers }, (reply) => {
      outgoing.writeHead(reply.statusCode ?? 500, reply.headers)
      const pieces: Buffer[] = []
      reply.on('data', (piece: Buffer) => pieces.push(piece))
      reply.on('end', () => {
        const bytes = Buffer.concat(pieces)
        if (isBody && url.includes('victim')) bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
        if (!isBody || !url.includes('cut') || cut.has(url)) return outgoing.end(bytes)
        cut.add(url)
        outgoing.write(bytes.subarray(0, bytes.length >> 1), () => outgoing.destroy())
      })
    })
    forward.on('error', () => outgoing.destroy())
    incoming.pipe(forward)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cutCount: () => cut.size,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
