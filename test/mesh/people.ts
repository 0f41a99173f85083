import { PEOPLE, READER, type Slapd, startSlapd } from '../harness/slapd.ts'
import type { CertificateAuthority } from '../kms/certificate-authority.ts'

export interface People extends Slapd {
  /** For COFFER_IDENTITIES_FILE. */
  readonly identitiesFile: string
}

/** A directory with alice in it, and a file that names it. */
export async function startPeople(program: string, authority: CertificateAuthority, password: string): Promise<People> {
  const certificate = authority.issue('ldap', 'serverAuth', { alternativeNames: ['DNS.1=localhost'] })
  const slapd = await startSlapd(program, [{ uid: 'alice', password }], certificate)
  const directory = {
    type: 'ldap',
    url: slapd.secureUrl,
    caFile: authority.caFile,
    bindDn: READER.dn,
    bindPasswordFile: authority.fileWith(READER.password),
    userBase: PEOPLE,
    timeoutSeconds: 9,
  }
  return { ...slapd, identitiesFile: authority.fileWith(JSON.stringify({ directory })) }
}
