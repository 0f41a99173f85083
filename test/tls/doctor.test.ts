import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { coffer } from '../harness/coffer-command.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { freePort } from '../harness/free-port.ts'
import { cleanEnvironment, startServer, temporaryDirectory } from '../harness/start-server.ts'
import { CertificateAuthority } from '../kms/certificate-authority.ts'

interface Finding {
  readonly level: string
  readonly code: string
  readonly about: string
}

async function examine(env: NodeJS.ProcessEnv): Promise<{ code: number | null; findings: readonly Finding[] }> {
  const { code, stdout, stderr } = await coffer(['doctor', '--json'], env)
  expect(stdout, stderr).not.toBe('')
  return { code, findings: JSON.parse(stdout) as readonly Finding[] }
}

describeWithPrograms('coffer doctor', ['openssl'], ({ openssl }) => {
  const directory = temporaryDirectory('doctor')
  const authority = new CertificateAuthority(openssl)
  afterAll(() => {
    authority.dispose()
    rmSync(directory, { recursive: true, force: true })
  })

  it('finds nothing wrong with a server that runs, and says so by its exit code', async () => {
    const server = await startServer({ workers: 1 })
    try {
      const { code, findings } = await examine(server.env)
      expect(findings.filter(({ level }) => level === 'problem')).toEqual([])
      expect(code).toBe(0)
      const codes = findings.map((finding) => finding.code)
      for (const expected of ['data-directory', 'certificate', 'disk', 'port', 'kms', 'clock', 'tls']) {
        expect(codes).toContain(expected)
      }
      const table = await coffer(['doctor'], server.env)
      expect(table.stdout).toContain('root-key-beside-data')
    } finally {
      await server.dispose()
    }
  })

  it('says what is wrong with each certificate before a client does, and what cannot be reached', async () => {
    const certs = join(directory, 'certs')
    const place = (folder: string, certFile: string, keyFile: string, mode = 0o600) => {
      mkdirSync(join(certs, folder), { recursive: true })
      copyFileSync(certFile, join(certs, folder, 'public.crt'))
      copyFileSync(keyFile, join(certs, folder, 'private.key'))
      chmodSync(join(certs, folder, 'private.key'), mode)
    }
    const selfSigned = (name: string, ...more: string[]) => {
      const [certFile, keyFile] = [join(directory, `${name}.crt`), join(directory, `${name}.key`)]
      const args = ['req', '-x509', '-nodes', '-keyout', keyFile, '-out', certFile, '-subj', `/CN=${name}`, ...more]
      execFileSync(openssl, args, { stdio: 'pipe' })
      return [certFile, keyFile] as const
    }
    const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']
    const san = (name: string) => ['-addext', `subjectAltName=DNS:${name}`]
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    place('no-san.test', ...selfSigned('no-san.test', ...ec, '-days', '90'))
    place('other.test', ...selfSigned('wrong.test', ...ec, ...san('wrong.test'), '-days', '90'))
    place('weak.test', ...selfSigned('weak.test', '-newkey', 'rsa:1024', ...san('weak.test'), '-days', '90'))
    place('soon.test', ...selfSigned('soon.test', ...ec, ...san('soon.test'), '-days', '5'))
    place('open.test', ...selfSigned('open.test', ...ec, ...san('open.test'), '-days', '90'), 0o644)
    const [mismatched] = selfSigned('mismatch.test', ...ec, ...san('mismatch.test'), '-days', '90')
    place('mismatch.test', mismatched, join(directory, 'open.test.key'))
    const issued = authority.issue('localhost', 'serverAuth')
    place('localhost', issued.certFile, issued.keyFile)
    const [expired, expiredKey] = selfSigned('expired.test', ...ec, ...san('expired.test'), '-days', '1')
    place('expired.test', expired, expiredKey)
    const [nothing, nothingKey] = [join(directory, 'nothing'), join(directory, 'open.test.key')]
    writeFileSync(nothing, 'no certificate')
    place('unreadable.test', nothing, nothingKey)
    writeFileSync(join(directory, 'root.key'), 'key', { mode: 0o644 })
    const env = cleanEnvironment({
      COFFER_DATA_DIR: directory,
      COFFER_ROOT_KEY_FILE: join(directory, 'root.key'),
      COFFER_REDIS_URL: `redis://127.0.0.1:${await freePort()}`,
      COFFER_ADDRESS: '127.0.0.1:0',
      COFFER_TRACES_ENDPOINT: `http://127.0.0.1:${await freePort()}/v1/traces`,
      COFFER_CLIENT_CERTIFICATES: 'optional',
      COFFER_CLIENT_CA_FILE: join(directory, 'none.pem'),
      COFFER_CLIENT_CRL_FILE: authority.revoke([]),
    })
    const { code, findings } = await examine(env)
    expect(code).toBe(1)
    const codesOf = (part: string) => findings.filter(({ about }) => about.includes(part)).map((one) => one.code)
    expect(codesOf('no-san.test')).toEqual(['certificate-without-names'])
    expect(codesOf('other.test')).toEqual(['certificate-of-another-name'])
    expect(codesOf('weak.test')).toEqual(['certificate-weak-key'])
    expect(codesOf('soon.test')).toEqual(['certificate-expires-soon'])
    expect(codesOf('open.test')).toEqual(['certificate-key-permissions'])
    expect(codesOf('mismatch.test')).toEqual(['certificate-key-mismatch'])
    expect(codesOf('certs/localhost')).toContain('certificate-chain-incomplete')
    expect(codesOf('unreadable.test')).toEqual(['certificate-unreadable'])
    const codes = findings.map((finding) => finding.code)
    for (const expected of [
      'root-key-permissions',
      'redis-unreachable',
      'traces-unreachable',
      'tls-invalid',
      'crl',
      'port',
    ]) {
      expect(codes).toContain(expected)
    }
    expect(readFileSync(nothing, 'utf8')).toBe('no certificate')
  })
})
