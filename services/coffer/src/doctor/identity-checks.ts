import { randomUUID } from 'node:crypto'
import type { Configuration } from '@coffer/config'
import { isCofferError } from '@coffer/errors'
import type { Mesh } from '@coffer/mesh'
import type { IdentitySettings } from '@coffer/service-iam'
import { openIdentities, readIdentitiesFile } from '../identities.ts'
import { checkClientAuthorities } from './certificate-checks.ts'
import { type Finding, ok, problem, reasonOf, warning } from './finding.ts'
import { checkShownCertificate } from './shown-certificate.ts'

const LDAPS_PORT = 636
const HTTPS_PORT = 443
/** Issuers that are asked; an account may register a hundred. */
const ISSUERS_MAX = 100
const SILENT = { warn: () => undefined }

/** The file of identities: whether it can be used, and whether the directory that it names answers. Nobody is logged in. */
export async function checkIdentities(configuration: Configuration, nowMs: number): Promise<Finding[]> {
  const { identitiesFile: path, clientCertificates, clientCaFile } = configuration
  if (path === undefined) return []
  let settings: IdentitySettings
  try {
    settings = await openIdentities(configuration, SILENT)
  } catch (error) {
    return [problem('identities-invalid', path, reasonOf(error))]
  }
  const { certificateRules, directory } = settings
  const findings: Finding[] = []
  if (certificateRules.length > 0 && clientCertificates === 'off') {
    const text = 'has rules for certificates, and clients are asked for none: COFFER_CLIENT_CERTIFICATES=optional'
    findings.push(warning('identity-certificates-off', path, text))
  }
  if (certificateRules.length > 0 && clientCaFile !== undefined) {
    findings.push(...(await checkClientAuthorities(clientCaFile, nowMs)))
  }
  if (directory !== undefined) findings.push(...(await checkDirectory(directory, path, nowMs)))
  const text = `${certificateRules.length} rules for certificates, ${directory?.rules.length ?? 0} for people of a directory`
  return [ok('identities', path, text), ...findings]
}

/** A name that nobody has, so that it answers "no such person": that takes the connection, the account that looks up, and the search. */
async function checkDirectory(
  { people }: NonNullable<IdentitySettings['directory']>,
  path: string,
  nowMs: number,
): Promise<Finding[]> {
  const url = directoryUrl(path)
  const about = url?.origin === 'null' || url === undefined ? 'the directory' : `${url.protocol}//${url.host}`
  const answer = await people.authenticate(`coffer-doctor-${randomUUID()}`, randomUUID()).then(
    () => ok('directory', about, 'answers, and lets its account look people up'),
    (error: unknown) => problem('directory-unreachable', about, `cannot be asked: ${whyOf(error)}`),
  )
  if (url?.protocol !== 'ldaps:') return [answer]
  const place = { hostname: url.hostname, port: Number(url.port) || LDAPS_PORT }
  return [answer, ...(await checkShownCertificate(about, place, nowMs))]
}

function directoryUrl(path: string): URL | undefined {
  const { directory } = readIdentitiesFile(path)
  return typeof directory?.url === 'string' && URL.canParse(directory.url) ? new URL(directory.url) : undefined
}

/** What the rules and the registered providers name, as the store knows it. */
export async function checkIdentityNames(
  mesh: Mesh,
  { identitiesFile, oidcIssuerHosts }: Configuration,
  nowMs: number,
): Promise<Finding[]> {
  return [
    ...(identitiesFile === undefined ? [] : await checkAssumed(mesh, identitiesFile)),
    ...(await checkIssuers(mesh, oidcIssuerHosts, nowMs)),
  ]
}

async function checkAssumed(mesh: Mesh, path: string): Promise<Finding[]> {
  let named: readonly string[]
  try {
    const { certificates, directory } = readIdentitiesFile(path)
    named = [...new Set([...certificates, ...(directory?.rules ?? [])].map(({ assume }) => assume))]
  } catch {
    // It has been told that the file cannot be used.
    return []
  }
  if (named.length === 0) return []
  const known = await mesh.use('iam').identifyPrincipals(named)
  return named
    .filter((arn) => known[arn] === undefined)
    .map((arn) => problem('identity-rule-unknown', path, `a rule names ${arn}, and there is no such role or user`))
}

async function checkIssuers(mesh: Mesh, hosts: readonly string[], nowMs: number): Promise<Finding[]> {
  const providers = await mesh.use('iam').listIdentityProviders()
  const issuers = [...new Set(providers.map(({ issuer }) => issuer))]
  const asked = issuers.slice(0, ISSUERS_MAX)
  const findings = await Promise.all(asked.map((issuer) => checkIssuer(issuer, hosts, nowMs)))
  const left = issuers.length - asked.length
  const rest = left === 0 ? [] : [warning('issuers-unchecked', 'OpenID Connect', `${left} more issuers were not asked`)]
  return [...findings.flat(), ...rest]
}

async function checkIssuer(issuer: string, hosts: readonly string[], nowMs: number): Promise<Finding[]> {
  const { checkIssuer: ask } = await import('@coffer/web-identity')
  const url = new URL(issuer)
  const asked = ask(issuer, hosts).catch((error: unknown) => {
    // A registered provider does not say whether its issuer is written with a slash at the end.
    if (!isCofferError(error, 'WEB_IDENTITY_PROVIDER_INVALID')) throw error
    return ask(`${issuer}/`, hosts)
  })
  const answer = await asked.then(
    () => ok('issuer', issuer, 'answers, and has its keys'),
    (error: unknown) => issuerFinding(issuer, error),
  )
  if (url.protocol !== 'https:' || answer.code === 'issuer-refused') return [answer]
  const place = { hostname: url.hostname, port: Number(url.port) || HTTPS_PORT }
  return [answer, ...(await checkShownCertificate(issuer, place, nowMs))]
}

function issuerFinding(issuer: string, error: unknown): Finding {
  if (isCofferError(error, 'WEB_IDENTITY_PROVIDER_REFUSED')) {
    const text = 'is not asked: its host is not among COFFER_OIDC_ISSUER_HOSTS, or at a private address'
    return problem('issuer-refused', issuer, text)
  }
  if (isCofferError(error, 'WEB_IDENTITY_PROVIDER_INVALID')) {
    return problem('issuer-invalid', issuer, `does not answer as an OpenID Connect provider does: ${whyOf(error)}`)
  }
  return problem('issuer-unreachable', issuer, `cannot be reached: ${whyOf(error)}`)
}

/** The code, and a word that is no secret. */
function whyOf(error: unknown): string {
  if (!isCofferError(error)) return reasonOf(error)
  const { reason } = error.details
  return typeof reason === 'string' ? `${reason} [${error.code}]` : `[${error.code}]`
}
