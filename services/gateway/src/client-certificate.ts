import type { X509Certificate } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import type { CertificateFacts } from '@coffer/contracts'

/** Who the connection's certificate says it is; an authority that this server trusts has said so too. */
export interface ClientCertificate extends CertificateFacts {
  /** One attribute a line, as OpenSSL prints it. */
  readonly subject: string
}

/** Undefined: the client sent no certificate, or one that is not genuine, in time and unrevoked. */
export function clientCertificateOf({ socket }: IncomingMessage): ClientCertificate | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined
  const certificate = socket.getPeerX509Certificate()
  return certificate && describeCertificate(certificate)
}

/** Undefined: it has expired, since the handshake or before. */
export function describeCertificate(certificate: X509Certificate): ClientCertificate | undefined {
  const expiresAt = Date.parse(certificate.validTo)
  if (!(expiresAt > Date.now())) return undefined
  const { subject, issuer } = certificate.toLegacyObject()
  const names = alternativeNames(certificate.subjectAltName)
  return {
    subject: certificate.subject,
    commonNames: listOf(subject.CN),
    organizations: listOf(subject.O),
    organizationalUnits: listOf(subject.OU),
    uris: names('URI'),
    dnsNames: names('DNS'),
    emails: names('email'),
    issuerCommonNames: listOf(issuer.CN),
    serialNumber: certificate.serialNumber,
    fingerprint256: certificate.fingerprint256,
    expiresAt,
  }
}

/** Node gives a list where an attribute is there several times. */
function listOf(value: string | readonly string[] | undefined): readonly string[] {
  return typeof value === 'string' ? [value] : (value ?? [])
}

const ENTRY = /(?:^|, )([A-Za-z][A-Za-z ]*):("(?:[^"\\]|\\.)*"|[^",\\]*)/y

/**
 * The names of a kind in the text that Node makes of a certificate's alternative names: `URI:spiffe://..., DNS:...`. A value that holds
 * a comma or a quote is a JSON text there, so that none can pass for several (CVE-2021-44532). What reads otherwise names nobody.
 */
export function alternativeNames(text = ''): (kind: string) => readonly string[] {
  const entries: (readonly [kind: string, value: string])[] = []
  ENTRY.lastIndex = 0
  let end = 0
  for (let found = ENTRY.exec(text); found !== null; found = ENTRY.exec(text)) {
    const [, kind = '', value = ''] = found
    entries.push([kind, value.startsWith('"') ? String(JSON.parse(value)) : value])
    end = ENTRY.lastIndex
  }
  const isRead = end === text.length
  return (kind) => (isRead ? entries.filter(([of]) => of === kind).map(([, value]) => value) : [])
}
