import { X509Certificate } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { createSecureContext, type SecureContext } from 'node:tls'
import { writeNewFile } from '../durable-file.ts'
import { cofferError } from '../errors.ts'
import { isCertificateKey, newCertificateKey, selfSign } from './self-signed.ts'
import type { TlsMaterial } from './tls-settings.ts'

/** Names of MinIO's layout, which its users know: `certs/public.crt`, `certs/private.key`, `certs/<name>/...`, `certs/CAs/`. */
const CERTIFICATE_FILE = 'public.crt'
const KEY_FILE = 'private.key'
const TRUST_DIRECTORY = 'CAs'

export interface CertificatePair {
  /** Folder below `certs/`; '' for the default certificate. */
  readonly folder: string
  readonly certificatePem: string
  readonly keyPem: string
  readonly x509: X509Certificate
  readonly context: SecureContext
}

export function defaultCertificatePath(certsDirectory: string): string {
  return join(certsDirectory, CERTIFICATE_FILE)
}

/**
 * Makes the default certificate if there is none. With a private key but no certificate, one is made for that key: to
 * renew a self-signed certificate, remove public.crt and start again.
 */
export async function ensureDefaultCertificate(certsDirectory: string, names: readonly string[]): Promise<void> {
  const certificatePath = join(certsDirectory, CERTIFICATE_FILE)
  const keyPath = join(certsDirectory, KEY_FILE)
  if (await exists(certificatePath)) return
  if (!(await exists(keyPath))) await writeUnlessThere(keyPath, await newCertificateKey(), 0o600)
  const keyPem = await readFile(keyPath, 'utf8')
  if (!isCertificateKey(keyPem)) {
    const why = `${certificatePath} is missing, and none can be made for the key in ${keyPath}`
    throw cofferError('COFFER_CERTIFICATE_INVALID', why, { path: certificatePath })
  }
  await writeUnlessThere(certificatePath, await selfSign(keyPem, names), 0o644)
}

/** Two gateways that start on one new directory make one key and one certificate: the first to write wins. */
async function writeUnlessThere(path: string, pem: string, mode: number): Promise<void> {
  await writeNewFile(path, pem, mode).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  })
}

/** What the self-signed certificate is for: this machine by every usual name, and the configured domains. */
export function selfSignedNames(host: string, domains: readonly string[]): string[] {
  const machine = hostname().toLowerCase()
  const isAddressable = host !== '' && host !== '0.0.0.0' && host !== '::'
  const wildcards = domains.flatMap((domain) => [domain, `*.${domain}`])
  const names = [
    'localhost',
    '*.localhost',
    '127.0.0.1',
    '::1',
    machine,
    ...(isAddressable ? [host] : []),
    ...wildcards,
  ]
  return [...new Set(names)].filter((name) => /^[a-z0-9.:*-]+$/i.test(name))
}

/** COFFER_CERTIFICATE_INVALID: unreadable, not PEM, or the key is not the certificate's. */
export async function readCertificatePair(
  certsDirectory: string,
  folder: string,
  material: TlsMaterial = { minVersion: 'TLSv1.2' },
): Promise<CertificatePair> {
  const certificatePath = join(certsDirectory, folder, CERTIFICATE_FILE)
  const keyPath = join(certsDirectory, folder, KEY_FILE)
  try {
    const [certificatePem, keyPem] = await Promise.all([readFile(certificatePath, 'utf8'), readFile(keyPath, 'utf8')])
    const context = createSecureContext({ ...material, cert: certificatePem, key: keyPem })
    return { folder, certificatePem, keyPem, x509: new X509Certificate(certificatePem), context }
  } catch (cause) {
    const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreadable'
    throw cofferError(
      'COFFER_CERTIFICATE_INVALID',
      `${certificatePath} and ${keyPath}: ${reason}`,
      { folder },
      { cause },
    )
  }
}

/** Folders with a certificate: '' and one for each further name. */
export async function listCertificateFolders(certsDirectory: string): Promise<string[]> {
  const entries = await readdir(certsDirectory, { withFileTypes: true })
  const folders = entries.filter((entry) => !entry.isFile() && entry.name !== TRUST_DIRECTORY).map(({ name }) => name)
  const found = await Promise.all(
    folders.map(async (name) => (await exists(join(certsDirectory, name, CERTIFICATE_FILE))) && name),
  )
  return ['', ...found.filter((name) => name !== false)]
}

/** Changes whenever a certificate or key file does: by write, replacement or link. */
export async function fingerprintOf(certsDirectory: string, otherFiles: readonly string[] = []): Promise<string> {
  const folders = await listCertificateFolders(certsDirectory)
  const authorities = await readdir(join(certsDirectory, TRUST_DIRECTORY)).catch(() => [])
  const paths = [
    ...folders.flatMap((folder) => [join(folder, CERTIFICATE_FILE), join(folder, KEY_FILE)]),
    ...authorities.map((name) => join(TRUST_DIRECTORY, name)),
    ...otherFiles.map((path) => resolve(path)),
  ]
  const states = await Promise.all(
    paths.map(async (path) => {
      const found = await stat(resolve(certsDirectory, path), { bigint: true }).catch(() => undefined)
      return `${path} ${found?.ino} ${found?.size} ${found?.mtimeNs}`
    }),
  )
  return states.join('\n')
}

/** PEM texts of `certs/CAs/`: whom Coffer trusts as a client, beside the system's own list. */
export async function readTrustedCertificates(certsDirectory: string): Promise<string[]> {
  const directory = join(certsDirectory, TRUST_DIRECTORY)
  const names = await readdir(directory).catch(() => [])
  const files = names.filter((name) => /\.(crt|pem|cer)$/i.test(name)).sort()
  return await Promise.all(files.map((name) => readFile(join(directory, name), 'utf8')))
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  )
}
