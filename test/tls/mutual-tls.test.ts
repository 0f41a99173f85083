import { copyFileSync, readdirSync, readFileSync } from 'node:fs'
import { Agent } from 'node:https'
import { join } from 'node:path'
import { type ConnectionOptions, connect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { describeWithPrograms } from '../harness/find-program.ts'
import { sendSigned } from '../harness/raw-request.ts'
import { type CofferServer, startServer } from '../harness/start-server.ts'
import { CertificateAuthority, type IssuedFiles } from '../kms/certificate-authority.ts'

const PATIENCE = { timeout: 60_000, interval: 100 }

/** What a handshake came to: the protocol and the group, or why there is none. */
function handshake(server: CofferServer, options: ConnectionOptions = {}): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port: server.port, rejectUnauthorized: false, ...options }, () => {
      const group = socket.getEphemeralKeyInfo() as { name?: string }
      const agreed = `${socket.getProtocol()} ${group.name ?? ''}`
      // In TLS 1.3 a server refuses a certificate after the client is done.
      socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
      socket.once('data', () => {
        resolve(agreed)
        socket.destroy()
      })
    })
    socket.once('error', () => resolve('refused'))
    socket.once('close', () => resolve('refused'))
  })
}

describe('the listener as it is by default', () => {
  let server: CofferServer
  beforeAll(async () => {
    server = await startServer({ workers: 1 })
  })
  afterAll(() => server?.dispose())

  it('agrees on keys with the post-quantum hybrid, and with clients that have none', async () => {
    expect(await handshake(server)).toBe('TLSv1.3 X25519MLKEM768')
    expect(await handshake(server, { ecdhCurve: 'X25519' })).toBe('TLSv1.3 X25519')
    expect(await handshake(server, { maxVersion: 'TLSv1.2', ecdhCurve: 'P-256' })).toMatch(/^TLSv1.2/)
  })
})

describeWithPrograms('the listener with settings of its own and client certificates', ['openssl'], ({ openssl }) => {
  const authority = new CertificateAuthority(openssl)
  const stranger = new CertificateAuthority(openssl)
  let server: CofferServer
  let first: IssuedFiles
  let second: IssuedFiles
  const crlFile = authority.fileWith('')
  beforeAll(async () => {
    first = authority.issue('first client', 'clientAuth')
    second = authority.issue('second client', 'clientAuth')
    copyFileSync(authority.revoke([]), crlFile)
    server = await startServer({
      workers: 2,
      env: {
        COFFER_AUDIT: 'all',
        COFFER_TLS_MIN_VERSION: 'TLSv1.3',
        COFFER_TLS_CIPHERS: 'TLS_AES_256_GCM_SHA384',
        COFFER_TLS_CURVES: 'X25519MLKEM768:P-384',
        COFFER_CLIENT_CERTIFICATES: 'optional',
        COFFER_CLIENT_CA_FILE: authority.caFile,
        COFFER_CLIENT_CRL_FILE: crlFile,
      },
    })
  })
  afterAll(async () => {
    await server?.dispose()
    authority.dispose()
    stranger.dispose()
  })
  const pairOf = ({ certFile, keyFile }: IssuedFiles): ConnectionOptions => ({
    cert: readFileSync(certFile),
    key: readFileSync(keyFile),
  })
  /** What the trail says of the certificate of a request for this key. */
  const certificateSeen = async (files: IssuedFiles | undefined, key: string): Promise<string | undefined> => {
    const agent = new Agent({ ca: readFileSync(server.caFile), ...(files && pairOf(files)) })
    await sendSigned(server, { method: 'GET', path: `/bucket/${key}`, agent })
    agent.destroy()
    return await vi.waitFor(() => {
      const directory = join(server.dataDir, 'audit')
      const lines = readdirSync(directory).flatMap((name) => readFileSync(join(directory, name), 'utf8').split('\n'))
      const line = lines.find((candidate) => candidate.includes(`"key":"${key}"`))
      expect(line).toBeDefined()
      return (JSON.parse(line ?? '') as { source: { certificate?: string } }).source.certificate
    }, PATIENCE)
  }

  it('agrees on nothing else than it is told', async () => {
    expect(await handshake(server)).toBe('TLSv1.3 X25519MLKEM768')
    expect(await handshake(server, { ecdhCurve: 'P-384' })).toBe('TLSv1.3 secp384r1')
    expect(await handshake(server, { ecdhCurve: 'X25519' })).toBe('refused')
    expect(await handshake(server, { maxVersion: 'TLSv1.2' })).toBe('refused')
    expect(await handshake(server, { ciphers: 'TLS_AES_128_GCM_SHA256' })).toBe('refused')
  })

  it("tells requests who the client's certificate says it is, and nobody where another authority says it", async () => {
    expect(await certificateSeen(first, 'genuine')).toBe('CN=first client')
    expect(await certificateSeen(undefined, 'without')).toBeUndefined()
    expect(await certificateSeen(stranger.issue('first client', 'clientAuth'), 'forged')).toBeUndefined()
  })

  it('takes a revoked certificate for none, from SIGHUP on, in every worker', async () => {
    copyFileSync(authority.revoke([second.certFile]), crlFile)
    process.kill(server.pid, 'SIGHUP')
    let count = 0
    await vi.waitFor(async () => {
      for (let attempt = 0; attempt < 6; attempt++) {
        expect(await certificateSeen(second, `revoked-${count++}`)).toBeUndefined()
      }
    }, PATIENCE)
    expect(await certificateSeen(first, 'still-genuine')).toBe('CN=first client')
  })
})

describeWithPrograms('the listener that requires client certificates', ['openssl'], ({ openssl }) => {
  it('lets nobody in without one, and does not start where none could be genuine', async () => {
    const authority = new CertificateAuthority(openssl)
    const { certFile, keyFile } = authority.issue('client', 'clientAuth')
    const env = { COFFER_CLIENT_CERTIFICATES: 'required' }
    await expect(startServer({ workers: 1, env })).rejects.toThrow('COFFER_TLS_INVALID')
    await expect(startServer({ workers: 1, env: { COFFER_TLS_CIPHERS: 'NONE-SUCH' } })).rejects.toThrow(
      'COFFER_TLS_INVALID',
    )
    // The harness asks without a certificate: plain HTTP on the same port tells it that the server is ready.
    const settings = { ...env, COFFER_CLIENT_CA_FILE: authority.caFile, COFFER_ALLOW_HTTP: 'true' }
    const server = await startServer({ workers: 1, env: settings })
    try {
      expect(await handshake(server)).toBe('refused')
      const pair = { cert: readFileSync(certFile), key: readFileSync(keyFile) }
      expect(await handshake(server, pair)).toMatch(/^TLSv1.3/)
    } finally {
      await server.dispose()
      authority.dispose()
    }
  })
})
