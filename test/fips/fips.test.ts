import { createHash, randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'node:tls'
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { coffer, run } from '../harness/coffer-command.ts'
import { describeUnavailable, findProgram } from '../harness/find-program.ts'
import { sendSigned } from '../harness/raw-request.ts'
import { bytesOf, newBucket, s3Client } from '../harness/s3.ts'
import {
  type CofferServer,
  cleanEnvironment,
  REPOSITORY,
  startServer,
  temporaryDirectory,
} from '../harness/start-server.ts'
import { callIam, iam, newKey } from '../iam/query-api.ts'
import { findFipsProvider, fipsEnvironment, PROVIDER_COMMAND } from './fips-provider.ts'

describe('FIPS mode without a provider', () => {
  const start = async (env: Record<string, string>, dataDir: string) =>
    await coffer(
      ['server', '--fips'],
      cleanEnvironment({ COFFER_DATA_DIR: dataDir, COFFER_ADDRESS: '127.0.0.1:0', ...env }),
    )

  it('does not start, says what to do, and leaves no data directory behind', async () => {
    const directory = temporaryDirectory('no-fips')
    const { code, stderr } = await start({}, join(directory, 'data'))
    expect(code).toBe(1)
    expect(stderr).toContain('COFFER_FIPS_UNAVAILABLE')
    expect(stderr).toContain('--enable-fips')
    const { stdout } = await run('ls', [directory], { env: cleanEnvironment({}) })
    expect(stdout).toBe('')
    rmSync(directory, { recursive: true })
  })

  it('is not taken in by a process that only says it is in FIPS mode', async () => {
    const script = `
      process.execArgv.push('--enable-fips')
      require('node:crypto').setFips(true)
      import(process.argv[1]).then(({ assertFips }) => {
        try { assertFips(); console.log('taken in') } catch (error) { console.log(error.code) }
      })`
    const { stdout } = await run(
      process.execPath,
      ['-e', script, join(REPOSITORY, 'services/coffer/src/fips-mode.ts')],
      { env: cleanEnvironment({}) },
    )
    expect(stdout.trim()).toBe('COFFER_FIPS_UNAVAILABLE')
  })
})

const provider = findFipsProvider()
const openssl = findProgram('openssl')
if (provider === undefined || openssl === undefined) {
  describeUnavailable('FIPS mode with a provider', `there is no FIPS provider: ${PROVIDER_COMMAND}`)
} else {
  withProvider(provider, openssl)
}

function withProvider(module: string, program: string): void {
  describe('FIPS mode with a provider', () => {
    const directory = temporaryDirectory('fips')
    let environment: Record<string, string>
    let server: CofferServer
    beforeAll(async () => {
      environment = await fipsEnvironment({ openssl: program, module }, directory)
      server = await startServer({ workers: 2, env: { ...environment, COFFER_FIPS: 'on' } })
    })
    afterAll(async () => {
      await server?.dispose()
      rmSync(directory, { recursive: true, force: true })
    })

    it('keeps and gives back objects, small, large and in parts, with ETags that are no MD5', async () => {
      const s3 = s3Client(server)
      const bucket = await newBucket(s3, { versioning: 'Enabled' })
      for (const sizeBytes of [1_000, 3_000_000]) {
        const body = randomBytes(sizeBytes)
        const { ETag } = await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: body }))
        expect(ETag).toBe(`"${createHash('sha256').update(body).digest('hex').slice(0, 32)}"`)
        const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'k' }))
        expect((await bytesOf(got)).equals(body)).toBe(true)
      }
      const Key = 'parts'
      const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key }))
      const part = { Bucket: bucket, Key, UploadId, PartNumber: 1 }
      const { ETag } = await s3.send(new UploadPartCommand({ ...part, Body: 'part' }))
      const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] }
      const whole = await s3.send(
        new CompleteMultipartUploadCommand({ Bucket: bucket, Key, UploadId, MultipartUpload }),
      )
      expect(whole.ETag).toMatch(/^"[0-9a-f]{32}-1"$/)
    })

    it("takes clients' own keys and a command beside the server, and refuses an MD5 that it could not check", async () => {
      const s3 = s3Client(server)
      const bucket = await newBucket(s3)
      const customer = { SSECustomerAlgorithm: 'AES256', SSECustomerKey: randomBytes(32).toString('base64') }
      await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'c', Body: 'c', ...customer }))
      const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'c', ...customer }))
      expect((await bytesOf(got)).toString()).toBe('c')
      for (const name of ['content-md5', 'x-amz-checksum-md5']) {
        const headers = { [name]: createHash('md5').update('x').digest('base64') }
        const refused = await sendSigned(server, { method: 'PUT', path: `/${bucket}/m`, headers, body: 'x' })
        expect(refused).toMatchObject({ status: 400, code: 'InvalidRequest' })
        expect(refused.body.toString()).toContain('FIPS')
      }
      expect(await coffer(['key', 'create', 'payments'], server.env)).toMatchObject({ code: 0 })
    })

    it('keeps passwords for the console, by PBKDF2, and compares them', async () => {
      await iam(server, 'CreateUser', { UserName: 'ann' })
      const keys = await newKey(server, 'ann')
      await iam(server, 'UpdateAccountPasswordPolicy', {
        AllowUsersToChangePassword: 'true',
        PasswordReusePrevention: '2',
      })
      await iam(server, 'CreateLoginProfile', { UserName: 'ann', Password: 'Right-Password-1' })
      const change = async (OldPassword: string, NewPassword: string) =>
        (await callIam(server, 'ChangePassword', { OldPassword, NewPassword }, { keys })).code
      expect(await change('Wrong-Password-1', 'Other-Password-1')).toBe('AccessDenied')
      expect(await change('Right-Password-1', 'Right-Password-1')).toBe('PasswordPolicyViolation')
      expect(await change('Right-Password-1', 'Other-Password-1')).toBe('')
    })

    it('agrees on no cipher that is not approved', async () => {
      const attempt = (ciphers: string, version: 'TLSv1.2' | 'TLSv1.3') =>
        new Promise<string>((resolve) => {
          const options = { host: '127.0.0.1', port: server.port, rejectUnauthorized: false, ciphers }
          const socket = connect({ ...options, minVersion: version, maxVersion: version }, () => {
            resolve(socket.getCipher().standardName)
            socket.destroy()
          })
          socket.on('error', () => resolve('refused'))
        })
      expect(await attempt('TLS_CHACHA20_POLY1305_SHA256', 'TLSv1.3')).toBe('refused')
      expect(await attempt('ECDHE-ECDSA-CHACHA20-POLY1305', 'TLSv1.2')).toBe('refused')
      expect(await attempt('TLS_AES_256_GCM_SHA384', 'TLSv1.3')).toBe('TLS_AES_256_GCM_SHA384')
    })

    it('refuses to seal with ChaCha20', async () => {
      const env = {
        ...server.env,
        COFFER_DATA_DIR: join(directory, 'data'),
        COFFER_DATA_ALGORITHM: 'CHACHA20-POLY1305',
      }
      const { code, stderr } = await coffer(['server'], env)
      expect(code).toBe(1)
      expect(stderr).toContain('CRYPTO_NOT_APPROVED')
    })

    it('passes the tests of the crypto core and of bodies and signatures', async () => {
      const vitest = join(REPOSITORY, 'node_modules/vitest/vitest.mjs')
      const suites = [
        'packages/crypto-core/src',
        'packages/s3-protocol/src/body',
        'packages/s3-protocol/src/sigv4',
        'services/iam/src/password-hash.test.ts',
      ]
      const env = cleanEnvironment({ ...environment, CI: 'false' })
      const { code, stdout } = await run(process.execPath, [vitest, 'run', ...suites], { env, timeoutMs: 170_000 })
      expect(stdout).toMatch(/Tests .* passed/)
      expect(code, stdout.slice(-4_000)).toBe(0)
    })
  })
}
