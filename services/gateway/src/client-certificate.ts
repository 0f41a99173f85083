import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'

/** Who the connection's certificate says it is; an authority that this server trusts has said so too. */
export interface ClientCertificate {
  /** One attribute a line, as OpenSSL prints it. */
  readonly subject: string
  /** `URI:spiffe://...`, `DNS:...`, `email:...`, separated by commas; '' where there are none. */
  readonly subjectAltName: string
  /** Of the whole certificate, SHA-256 in hex with colons. */
  readonly fingerprint256: string
}

/** Undefined: the client sent no certificate, or one that is not genuine, in time and unrevoked. */
export function clientCertificateOf({ socket }: IncomingMessage): ClientCertificate | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) return undefined
  const { subject, subjectAltName = '', fingerprint256 } = certificate
  return { subject, subjectAltName, fingerprint256 }
}
