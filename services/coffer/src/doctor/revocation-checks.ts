import { readFile } from 'node:fs/promises'
import { type Finding, ok, problem, reasonOf } from './finding.ts'

const PEM = /-----BEGIN X509 CRL-----[\s\S]*?-----END X509 CRL-----/g

/** Revocation lists (RFC 5280, section 5): with one that is out of date, OpenSSL refuses every client. */
export async function checkRevocationLists(path: string | undefined, nowMs: number): Promise<Finding[]> {
  if (path === undefined) return []
  try {
    const lists = (await readFile(path, 'utf8')).match(PEM) ?? []
    if (lists.length === 0) return [problem('crl-unreadable', path, 'holds no revocation list in PEM')]
    const { X509Crl } = await import('@peculiar/x509')
    const expired = lists
      .map((pem) => new X509Crl(pem))
      .filter(({ nextUpdate }) => nextUpdate && nextUpdate.getTime() < nowMs)
    if (expired.length === 0) return [ok('crl', path, `${lists.length} revocation lists, in time`)]
    return expired.map(({ issuer, nextUpdate }) =>
      problem(
        'crl-expired',
        path,
        `the list of ${issuer} ended on ${nextUpdate?.toISOString()}: every client is refused until there is a newer one`,
      ),
    )
  } catch (error) {
    return [problem('crl-unreadable', path, reasonOf(error))]
  }
}
