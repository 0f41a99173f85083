import { execFileSync } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Logger } from '@coffer/mesh'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ensureDefaultCertificate, selfSignedNames } from './certificate-files.ts'
import { CertificateStore } from './certificate-store.ts'
import { newCertificateKey, selfSign } from './self-signed.ts'

let directory: string
const openStores: CertificateStore[] = []
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'coffer-certs-'))
})
afterEach(async () => {
  for (const store of openStores.splice(0)) store.close()
  await rm(directory, { recursive: true })
})

function recordingLogger(): Logger & { readonly errors: unknown[] } {
  const errors: unknown[] = []
  const logger = { errors, info: () => {}, error: (facts: unknown) => errors.push(facts) }
  return logger as unknown as Logger & { readonly errors: unknown[] }
}

async function openStore(logger = recordingLogger()): Promise<CertificateStore> {
  const store = await CertificateStore.open(directory, logger)
  openStores.push(store)
  return store
}

async function writePair(folder: string, name: string): Promise<X509Certificate> {
  await mkdir(join(directory, folder), { recursive: true })
  const keyPem = await newCertificateKey()
  const certificatePem = await selfSign(keyPem, [name])
  await writeFile(join(directory, folder, 'private.key'), keyPem)
  await writeFile(join(directory, folder, 'public.crt'), certificatePem)
  return new X509Certificate(certificatePem)
}

describe('the self-signed certificate', () => {
  test('is its own CA, for this machine by its usual names and the domains, for at most 825 days', async () => {
    await ensureDefaultCertificate(directory, selfSignedNames('10.1.2.3', ['s3.example.org']))
    const x509 = new X509Certificate(await readFile(join(directory, 'public.crt')))
    expect(x509.ca).toBe(true)
    expect(x509.checkIssued(x509)).toBe(true)
    expect(x509.verify(x509.publicKey)).toBe(true)
    for (const name of ['localhost', 's3.example.org', 'photos.s3.example.org'])
      expect(x509.checkHost(name)).toBeDefined()
    for (const address of ['127.0.0.1', '::1', '10.1.2.3']) expect(x509.checkIP(address)).toBeDefined()
    expect(x509.checkHost('example.com')).toBeUndefined()
    const validDays = (Date.parse(x509.validTo) - Date.parse(x509.validFrom)) / 86_400_000
    expect(validDays).toBe(825)
  })

  test('has a key that only its owner can read', async () => {
    await ensureDefaultCertificate(directory, ['localhost'])
    expect((await stat(join(directory, 'private.key'))).mode & 0o777).toBe(0o600)
    expect((await readdir(directory)).sort()).toEqual(['private.key', 'public.crt'])
  })

  test('is not made again, and is renewed for the same key when it was removed', async () => {
    await ensureDefaultCertificate(directory, ['localhost'])
    const path = join(directory, 'public.crt')
    const first = await readFile(path)
    await ensureDefaultCertificate(directory, ['localhost'])
    expect(await readFile(path)).toEqual(first)
    await unlink(path)
    await ensureDefaultCertificate(directory, ['localhost'])
    const [before, after] = [new X509Certificate(first), new X509Certificate(await readFile(path))]
    expect(after.serialNumber).not.toBe(before.serialNumber)
    expect(after.publicKey.equals(before.publicKey)).toBe(true)
  })

  test('is one pair, whoever else makes it at the same time', async () => {
    await Promise.all(Array.from({ length: 5 }, () => ensureDefaultCertificate(directory, ['localhost'])))
    const x509 = new X509Certificate(await readFile(join(directory, 'public.crt')))
    expect(x509.checkPrivateKey(createPrivateKey(await readFile(join(directory, 'private.key'))))).toBe(true)
    expect((await readdir(directory)).sort()).toEqual(['private.key', 'public.crt'])
  })

  test("passes OpenSSL's strict verification", async () => {
    await ensureDefaultCertificate(directory, ['localhost'])
    const path = join(directory, 'public.crt')
    const verify = [
      'verify',
      '-x509_strict',
      '-purpose',
      'sslserver',
      '-verify_hostname',
      'localhost',
      '-CAfile',
      path,
      path,
    ]
    expect(execFileSync('openssl', verify, { encoding: 'utf8' })).toContain('OK')
  })
})

describe('choosing by server name', () => {
  test('takes the folder of that name, then a certificate made for it, then the default', async () => {
    await writePair('', 'default.example')
    await writePair('s3.example.org', 's3.example.org')
    await writePair('wildcard', '*.objects.example.org')
    await mkdir(join(directory, 'CAs'))
    const store = await openStore()
    const byName = store.contextFor('S3.example.org')
    const byWildcard = store.contextFor('photos.objects.example.org')
    const byDefault = store.contextFor('unknown.example')
    expect(new Set([byName, byWildcard, byDefault, store.fallback.context]).size).toBe(3)
    expect(byDefault).toBe(store.fallback.context)
    expect(store.contextFor('CAs')).toBe(byDefault)
    expect(store.contextFor('../s3.example.org')).toBe(byDefault)
  })
})

describe('a change of the files', () => {
  test('is taken up without a restart', async () => {
    await writePair('', 'old.example')
    const store = await openStore()
    const reloaded = vi.fn()
    store.onChange(reloaded)
    const renewed = await writePair('', 'new.example')
    // Not at its first reading: between the key and its certificate the machine may have been busy with others.
    const inUse = () => expect(store.fallback.x509.fingerprint256).toBe(renewed.fingerprint256)
    await vi.waitFor(inUse, { timeout: 60_000 })
    expect(reloaded).toHaveBeenCalled()
  })

  test('to something unusable is logged, and the old certificate stays', async () => {
    const before = await writePair('', 'old.example')
    const logger = recordingLogger()
    const store = await openStore(logger)
    await writeFile(join(directory, 'private.key'), await newCertificateKey())
    await vi.waitFor(() => expect(logger.errors).toHaveLength(1), { timeout: 60_000 })
    expect(store.fallback.x509.fingerprint256).toBe(before.fingerprint256)
  })

  test('adds and removes names', async () => {
    await writePair('', 'default.example')
    const store = await openStore()
    expect(store.contextFor('added.example')).toBe(store.fallback.context)
    await writePair('added.example', 'added.example')
    await vi.waitFor(() => expect(store.contextFor('added.example')).not.toBe(store.fallback.context), {
      timeout: 60_000,
    })
    await rm(join(directory, 'added.example'), { recursive: true })
    await vi.waitFor(() => expect(store.contextFor('added.example')).toBe(store.fallback.context), { timeout: 60_000 })
  })
})

test('a default certificate that cannot be used stops the start', async () => {
  await writePair('', 'default.example')
  await writeFile(join(directory, 'public.crt'), 'not a certificate')
  await expect(CertificateStore.open(directory, recordingLogger())).rejects.toMatchObject({
    code: 'COFFER_CERTIFICATE_INVALID',
  })
})
