import type { AddressInfo } from 'node:net'
import { connect, createServer, type Socket } from 'node:net'

/** How a connection is cut when COMMIT passes: before the server sees it, or after, with its answer lost. */
export type Cut = 'before' | 'after' | 'none'

/** The name of the prepared statement, as it stands in each Bind message. */
const COMMIT = Buffer.from('\0commit\0')

/** A proxy before a PostgreSQL server that cuts connections in the middle of COMMIT, as `cut` says at each of them. */
export async function startCuttingProxy(target: number, cut: () => Cut) {
  const sockets = new Set<Socket>()
  let cutCount = 0
  const proxy = createServer((client) => {
    const server = connect(target, '127.0.0.1')
    for (const socket of [client, server]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        server.destroy()
      })
    }
    client.on('data', (chunk: Buffer) => {
      const how = chunk.includes(COMMIT) ? cut() : 'none'
      if (how === 'none') return void server.write(chunk)
      cutCount += 1
      if (how === 'before') return void client.destroy()
      server.pause()
      server.write(chunk, () => client.destroy())
    })
    server.on('data', (chunk) => client.write(chunk))
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  return {
    port: (proxy.address() as AddressInfo).port,
    cuts: () => cutCount,
    async stop() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => proxy.close(resolve))
    },
  }
}
