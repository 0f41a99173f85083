import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import type { AuditSource } from '@coffer/audit'
import { clientCertificateOf } from '../client-certificate.ts'

const USER_AGENT_CHARACTERS_MAX = 256

type Connection = Omit<AuditSource, 'userAgent'>

const connections = new WeakMap<IncomingMessage['socket'], Connection>()

/** Where a request comes from: what is the same for its whole connection is asked for once. */
export function sourceOf(request: IncomingMessage): AuditSource {
  const { socket, headers } = request
  let connection = connections.get(socket)
  if (connection === undefined) {
    connection = describeConnection(request)
    connections.set(socket, connection)
  }
  const userAgent = headers['user-agent']
  return userAgent === undefined
    ? connection
    : { ...connection, userAgent: userAgent.slice(0, USER_AGENT_CHARACTERS_MAX) }
}

function describeConnection(request: IncomingMessage): Connection {
  const { socket } = request
  const address = socket.remoteAddress ?? ''
  if (!(socket instanceof TLSSocket)) return { address }
  const certificate = clientCertificateOf(request)
  return {
    address,
    tls: socket.getProtocol() ?? '',
    cipher: socket.getCipher()?.standardName ?? '',
    ...(certificate !== undefined && { certificate: certificate.subject.replaceAll('\n', ', ') }),
  }
}
