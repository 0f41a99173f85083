import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { getCACertificates } from 'node:tls'
import { listCertificateFolders, readTrustedCertificates } from '../certificates/certificate-files.ts'
import { type Finding, ok, problem, reasonOf, warning } from './finding.ts'

const DAY_MS = 86_400_000
/** Time to renew by hand. */
const SOON_DAYS = 21
/** NIST SP 800-57 Part 1 Rev. 5, table 2: 112 bits of security. */
const RSA_BITS_MIN = 2048
const WEAK_CURVES: ReadonlySet<string> = new Set(['secp160r1', 'secp192k1', 'prime192v1', 'secp192r1'])
const WEAK_DIGEST = /md5|sha1(?!\d)/i
const OTHERS = 0o077
const PEM = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g

/** Each certificate of the layout, as a client will see it: what it would refuse is a problem, what it will is a warning. */
export async function checkCertificates(certsDirectory: string, nowMs: number): Promise<Finding[]> {
  const folders = await listCertificateFolders(certsDirectory).catch(() => undefined)
  if (folders === undefined) return [ok('certificates-none', certsDirectory, 'none yet: the first start makes one')]
  const findings: Finding[] = []
  for (const folder of folders) findings.push(...(await checkFolder(certsDirectory, folder, nowMs)))
  for (const [index, pem] of (await readTrustedCertificates(certsDirectory)).entries()) {
    findings.push(...checkAuthority(pem, `${join(certsDirectory, 'CAs')} (file ${index + 1})`, nowMs))
  }
  return findings
}

/** Who issues the certificates of clients: when an authority has ended, everybody who comes with one of them is refused. */
export async function checkClientAuthorities(path: string, nowMs: number): Promise<Finding[]> {
  const chain = parseChain(await readFile(path, 'utf8').catch(() => ''))
  // Where the file cannot be used, the settings of TLS say so.
  return (chain ?? []).flatMap(({ subject, validTo }) => {
    const about = `${path} (${subject.replaceAll('\n', ', ')})`
    const days = Math.floor((Date.parse(validTo) - nowMs) / DAY_MS)
    if (days < 0) return [problem('client-authority-expired', about, `expired on ${validTo}: its clients are refused`)]
    return days < SOON_DAYS ? [warning('client-authority-expires-soon', about, `expires in ${days} days`)] : []
  })
}

async function checkFolder(certsDirectory: string, folder: string, nowMs: number): Promise<Finding[]> {
  const certificatePath = join(certsDirectory, folder, 'public.crt')
  const keyPath = join(certsDirectory, folder, 'private.key')
  const chainText = await readFile(certificatePath, 'utf8').catch((error: unknown) => reasonOf(error))
  const chain = parseChain(chainText)
  if (chain === undefined && folder === '' && chainText.includes('ENOENT')) {
    return [ok('certificates-none', certificatePath, 'not there: the next start makes a self-signed one')]
  }
  if (chain === undefined) {
    return [
      problem('certificate-unreadable', certificatePath, 'is no certificate in PEM: put the chain here, leaf first'),
    ]
  }
  const [leaf, ...others] = chain as [X509Certificate, ...X509Certificate[]]
  const findings = [
    ...checkTimes(leaf, certificatePath, nowMs),
    ...checkNames(leaf, certificatePath, folder),
    ...checkStrength(leaf, certificatePath),
    ...checkIssuers(leaf, others, certificatePath),
    ...(await checkKey(leaf, keyPath)),
  ]
  const until = new Date(Date.parse(leaf.validTo)).toISOString().slice(0, 10)
  return findings.length > 0 ? findings : [ok('certificate', certificatePath, `good until ${until}`)]
}

function parseChain(text: string): X509Certificate[] | undefined {
  try {
    const chain = (text.match(PEM) ?? []).map((pem) => new X509Certificate(pem))
    return chain.length === 0 ? undefined : chain
  } catch {
    return undefined
  }
}

function checkTimes({ validFrom, validTo }: X509Certificate, path: string, nowMs: number): Finding[] {
  const [fromMs, toMs] = [Date.parse(validFrom), Date.parse(validTo)]
  if (nowMs < fromMs) {
    return [
      problem('certificate-not-yet-valid', path, `is valid from ${validFrom} on: wait, or set this machine's clock`),
    ]
  }
  if (nowMs > toMs)
    return [problem('certificate-expired', path, `expired on ${validTo}: renew it; it is read without a restart`)]
  const days = Math.floor((toMs - nowMs) / DAY_MS)
  return days < SOON_DAYS ? [warning('certificate-expires-soon', path, `expires in ${days} days: renew it`)] : []
}

function checkNames(leaf: X509Certificate, path: string, folder: string): Finding[] {
  if (leaf.subjectAltName === undefined) {
    return [
      problem('certificate-without-names', path, 'has no subject alternative name, without which clients refuse it'),
    ]
  }
  const covers = isIP(folder) === 0 ? leaf.checkHost(folder) : leaf.checkIP(folder)
  if (folder === '' || covers !== undefined) return []
  return [
    problem(
      'certificate-of-another-name',
      path,
      `is not for ${folder}, which its folder is for, but for ${leaf.subjectAltName}`,
    ),
  ]
}

function checkStrength(leaf: X509Certificate, path: string): Finding[] {
  const { asymmetricKeyType, asymmetricKeyDetails } = leaf.publicKey
  const findings: Finding[] = []
  const bits = asymmetricKeyDetails?.modulusLength
  if (asymmetricKeyType === 'rsa' && bits !== undefined && bits < RSA_BITS_MIN) {
    findings.push(
      problem('certificate-weak-key', path, `has an RSA key of ${bits} bits; clients want ${RSA_BITS_MIN} or P-256`),
    )
  }
  if (WEAK_CURVES.has(asymmetricKeyDetails?.namedCurve ?? '')) {
    findings.push(
      problem('certificate-weak-key', path, `has a key on ${asymmetricKeyDetails?.namedCurve}; clients want P-256`),
    )
  }
  if (WEAK_DIGEST.test(leaf.signatureAlgorithm ?? '')) {
    findings.push(
      problem('certificate-weak-signature', path, `is signed with ${leaf.signatureAlgorithm}, which clients refuse`),
    )
  }
  return findings
}

/** A server has to send the chain up to an authority that clients have (RFC 8446, section 4.4.2). */
function checkIssuers(leaf: X509Certificate, others: readonly X509Certificate[], path: string): Finding[] {
  let current = leaf
  for (const next of others) {
    if (!current.checkIssued(next)) {
      return [
        problem(
          'certificate-chain-disordered',
          path,
          'holds certificates that do not follow each other: leaf first, then who issued it',
        ),
      ]
    }
    current = next
  }
  if (current.checkIssued(current)) return []
  const roots = getCACertificates('default')
  const isKnown = roots.some((pem) => current.checkIssued(new X509Certificate(pem)))
  if (isKnown) return []
  const issuer = current.issuer.replaceAll('\n', ', ')
  return [
    warning(
      'certificate-chain-incomplete',
      path,
      `ends before ${issuer}: add what is between, unless clients have that one`,
    ),
  ]
}

async function checkKey(leaf: X509Certificate, path: string): Promise<Finding[]> {
  let key: KeyObject
  try {
    key = createPrivateKey(await readFile(path))
  } catch (error) {
    return [problem('certificate-key-unreadable', path, `cannot be used: ${reasonOf(error)}`)]
  }
  const findings: Finding[] = []
  if (!leaf.checkPrivateKey(key)) {
    findings.push(problem('certificate-key-mismatch', path, 'is not the key of the certificate beside it'))
  }
  if (((await stat(path)).mode & OTHERS) !== 0) {
    findings.push(problem('certificate-key-permissions', path, `can be read by others: chmod 600 ${path}`))
  }
  return findings
}

function checkAuthority(pem: string, about: string, nowMs: number): Finding[] {
  const chain = parseChain(pem)
  if (chain === undefined) return [problem('authority-unreadable', about, 'holds no certificate in PEM')]
  return chain
    .filter(({ validTo }) => Date.parse(validTo) < nowMs)
    .map(({ subject, validTo }) =>
      warning('authority-expired', about, `${subject.replaceAll('\n', ', ')} expired on ${validTo}`),
    )
}
