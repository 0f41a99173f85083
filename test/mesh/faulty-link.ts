import type { AddressInfo } from 'node:net'
import { connect, createServer, type Socket } from 'node:net'

/** A network between one process and a server, that can fail as networks do. */
export interface FaultyLink {
  readonly port: number
  /** Nothing passes either way; connections stay, and new ones are taken and not answered. */
  freeze(): void
  /** What was held back passes. */
  thaw(): void
  /** Connections that are open now carry nothing any more, and nobody is told; new ones do. */
  forget(): void
  stop(): Promise<void>
}

/** A TCP proxy before a server on loopback. */
export async function startFaultyLink(target: number): Promise<FaultyLink> {
  const pairs = new Set<readonly [Socket, Socket]>()
  let isFrozen = false
  const proxy = createServer((client) => {
    const server = connect(target, '127.0.0.1')
    const pair = [client, server] as const
    pairs.add(pair)
    for (const [socket, other] of [pair, [server, client] as const]) {
      socket.on('error', () => undefined)
      socket.on('close', () => {
        pairs.delete(pair)
        other.destroy()
      })
      socket.pipe(other)
      if (isFrozen) socket.pause()
    }
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const each = (act: (socket: Socket) => void) => {
    for (const pair of pairs) pair.forEach(act)
  }
  return {
    port: (proxy.address() as AddressInfo).port,
    freeze() {
      isFrozen = true
      each((socket) => socket.pause())
    },
    thaw() {
      isFrozen = false
      each((socket) => socket.resume())
    },
    forget() {
      for (const [client, server] of pairs) {
        client.unpipe(server).resume()
        server.unpipe(client).resume()
      }
    },
    async stop() {
      each((socket) => socket.destroy())
      await new Promise((resolve) => proxy.close(resolve))
    },
  }
}
