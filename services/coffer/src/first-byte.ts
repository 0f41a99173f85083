import { createServer, type Server, type Socket } from 'node:net'

/** The first byte of every TLS connection: a record of type handshake (RFC 8446, section 5.1). HTTP begins with a letter. */
const TLS_HANDSHAKE_RECORD = 0x16

/** A server that takes connections from this port instead of one of its own. */
interface ConnectionTaker {
  emit(event: 'connection', socket: Socket): boolean
}

/**
 * Serves TLS and plain HTTP on one port: looks at the first byte of a connection, puts it back and hands the socket to
 * the server it is for. A client that sends nothing for `firstByteTimeoutMs` is disconnected.
 */
export function createFirstByteServer(
  servers: { readonly tls: ConnectionTaker; readonly plain: ConnectionTaker },
  firstByteTimeoutMs: number,
): Server {
  return createServer({ noDelay: true, keepAlive: true }, (socket) => {
    const drop = () => socket.destroy()
    socket.setTimeout(firstByteTimeoutMs, drop)
    socket.on('error', drop)
    socket.once('readable', () => {
      const firstBytes: Buffer | null = socket.read()
      if (firstBytes === null) return void socket.destroy()
      socket.setTimeout(0, drop).off('timeout', drop)
      socket.unshift(firstBytes)
      const isTls = firstBytes[0] === TLS_HANDSHAKE_RECORD
      servers[isTls ? 'tls' : 'plain'].emit('connection', socket)
      socket.off('error', drop)
    })
  })
}
