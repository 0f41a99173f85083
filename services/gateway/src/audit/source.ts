import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import type { AuditSource } from '@coffer/audit'

const USER_AGENT_CHARACTERS_MAX = 256

type Connection = Omit<AuditSource, 'userAgent'>

const connections = new WeakMap<IncomingMessage['socket'], Connection>()

/** Where a request comes from: what is the same for its whole connection is asked for once. */
export function sourceOf({ socket, headers }: IncomingMessage): AuditSource {
  let connection = connections.get(socket)
  if (connection === undefined) {
    connection = describeConnection(socket)
    connections.set(socket, connection)
  }
  const userAgent = headers['user-agent']
  return userAgent === undefined
    ? connection
    : { ...connection, userAgent: userAgent.slice(0, USER_AGENT_CHARACTERS_MAX) }
}

function describeConnection(socket: IncomingMessage['socket']): Connection {
  const address = socket.remoteAddress ?? ''
  if (!(socket instanceof TLSSocket)) return { address }
  const subject = socket.authorized ? socket.getPeerX509Certificate()?.subject : undefined
  return {
    address,
    tls: socket.getProtocol() ?? '',
    cipher: socket.getCipher()?.standardName ?? '',
    ...(subject !== undefined && { certificate: subject }),
  }
}
