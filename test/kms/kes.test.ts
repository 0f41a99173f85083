import { createHash, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { KmsConnector } from '@coffer/kms'
import { kesConnector } from '@coffer/kms/connectors/kes'
import { kmsConnectorContract } from '@coffer/kms/contract'
import { MemoryRecords } from '@coffer/kms/testing'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { describeWithPrograms } from '../harness/find-program.ts'
import { freePort } from '../harness/free-port.ts'
import { CertificateAuthority, type IssuedFiles } from './certificate-authority.ts'
import { misbehavingService, PATIENT_MS } from './cloud-failures.ts'
import { KesDouble } from './kes-double.ts'

/** The example of KES's own client (kms-go, ExampleAPIKey_Identity). */
const API_KEY = 'kes:v1:AGaV6VXHasF0FnaB60WdCOeTZ8eTIDikL4zlN16c8NAs'
const API_KEY_IDENTITY = 'ea9826089311fe44d7590408ede9150f7c637b6cab0a91ee6fe1aa5d9fb366f6'
/** As docs/kms/kes.md has it. */
const LEAST_POLICY = ['status', ...['create', 'describe', 'list', 'generate', 'encrypt', 'decrypt'].map(allKeysOfOurs)]
function allKeysOfOurs(action: string): string {
  return `key/${action}/coffer*`
}

describeWithPrograms('the kes connector', ['openssl'], (programs) => {
  let authority: CertificateAuthority
  let serverFiles: IssuedFiles
  let kes: KesDouble
  let count = 0
  const opened: KmsConnector[] = []

  beforeAll(async () => {
    authority = new CertificateAuthority(programs.openssl)
    serverFiles = authority.issue('kes', 'serverAuth')
    kes = await KesDouble.start(serverFiles)
    kes.policies.set(API_KEY_IDENTITY, ['/v1/status', '/v1/key/*'])
  })
  afterEach(async () => {
    for (const connector of opened.splice(0)) await connector.close()
  })
  afterAll(async () => {
    await kes.stop()
    authority.dispose()
  })

  const withApiKey = (address: string, apiKey = API_KEY) => ({
    address,
    caFile: authority.caFile,
    auth: { method: 'apiKey', apiKeyFile: authority.fileWith(apiKey) },
  })
  const connect = async (settings: object, records = new MemoryRecords()): Promise<KmsConnector> => {
    const connector = await kesConnector.open(kesConnector.options.parse({ timeoutMs: PATIENT_MS, ...settings }), {
      name: 'kes',
      records,
    })
    opened.push(connector)
    return connector
  }

  kmsConnectorContract('the kes connector, against a double of the KES API,', async () => {
    // Only what a fixture makes has its prefix.
    const settings = { ...withApiKey(kes.address), keyPrefix: `t${count++}-` }
    const records = new MemoryRecords()
    const [connector, another] = [await connect(settings, records), await connect(settings, records)]
    return { connector, another, dispose: async () => undefined }
  })

  misbehavingService(async () => {
    const settings = { ...withApiKey(kes.address), keyPrefix: `t${count++}-` }
    const records = new MemoryRecords()
    return { connect: (timeoutMs) => connect({ ...settings, timeoutMs }, records), server: kes }
  })

  describe('is to KES', () => {
    it('who the API key says, also from an environment variable', async () => {
      process.env.TEST_KES_API_KEY = API_KEY
      const auth = { method: 'apiKey', apiKeyVariable: 'TEST_KES_API_KEY' }
      await (await connect({ ...withApiKey(kes.address), auth })).selfTest()
      delete process.env.TEST_KES_API_KEY
    })

    it('who the client certificate says, and does its work with the least policy', async () => {
      const { certFile, keyFile } = authority.issue('coffer', 'clientAuth')
      kes.policies.set(
        identityIn(certFile),
        LEAST_POLICY.map((path) => `/v1/${path}`),
      )
      const auth = { method: 'cert', certFile, keyFile }
      const connector = await connect({ ...withApiKey(kes.address), keyPrefix: 'coffer-', auth })
      await connector.selfTest()
      await connector.createKey('payments')
      await connector.rotateKey('payments')
      const { plaintext, wrapped } = await connector.generateDataKey('payments', { a: 'b' })
      const rewrapped = await connector.rewrap(wrapped, { a: 'b' }, 'payments')
      expect((await connector.decrypt(rewrapped, { a: 'b' })).equals(plaintext)).toBe(true)
      expect(await connector.listKeys({ afterKeyId: '', limit: 9 })).toMatchObject([{ keyId: 'payments' }])
      const outside = await connect({ ...withApiKey(kes.address), keyPrefix: 'others-', auth })
      await expect(outside.createKey('k1')).rejects.toMatchObject({ code: 'KMS_ACCESS_DENIED' })
    })

    it('nobody with another key, and says so without it', async () => {
      const stranger = `kes:v1:${Buffer.concat([Buffer.alloc(1), Buffer.alloc(32, 7)]).toString('base64')}`
      const connector = await connect(withApiKey(kes.address, stranger))
      for (const use of [() => connector.selfTest(), () => connector.generateDataKey('k1', {})]) {
        const error = await use().catch((reason: unknown) => reason)
        expect(error).toMatchObject({ code: 'KMS_ACCESS_DENIED' })
        expect(textsOf(error)).not.toContain('BwcHBwcH')
      }
    })

    it.each([['not-an-api-key!'], ['kes:v1:AGaV6VXHasF0'], [API_KEY.replace('kes:v1:AG', 'kes:v1:BG')], ['']])(
      'nobody with the API key %j, which opens no connector',
      async (apiKey) => {
        const error = await connect(withApiKey(kes.address, apiKey)).catch((reason: unknown) => reason)
        expect(error).toMatchObject({ code: 'KMS_OPTIONS_INVALID' })
        if (apiKey !== '') expect(textsOf(error)).not.toContain(apiKey)
      },
    )

    it('a client that checks the server: never one that the CA file does not vouch for', async () => {
      const other = new CertificateAuthority(programs.openssl)
      const connector = await connect({ ...withApiKey(kes.address), caFile: other.caFile })
      await expect(connector.selfTest()).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
      other.dispose()
    })

    it('refused where the server takes certificates of its own authority only', async () => {
      const { certFile, keyFile } = serverFiles
      const server = createServer(
        {
          cert: readFileSync(certFile),
          key: readFileSync(keyFile),
          ca: readFileSync(authority.caFile),
          requestCert: true,
          rejectUnauthorized: true,
        },
        (_, response) => response.end('{}'),
      )
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      const other = new CertificateAuthority(programs.openssl)
      const auth = { method: 'cert', ...other.issue('stranger', 'clientAuth') }
      const connector = await connect({ ...withApiKey(addressOf(server)), auth })
      await expect(connector.selfTest()).rejects.toMatchObject({
        code: expect.stringMatching(/^KMS_(ACCESS_DENIED|UNAVAILABLE)$/),
      })
      server.closeAllConnections()
      server.close()
      other.dispose()
    })
  })

  describe('and the keys of KES', () => {
    it('uses keys that MinIO has used so far, without making them', async () => {
      const minio = await connect(withApiKey(kes.address))
      await minio.createKey('minio-sse')
      const connector = await connect(withApiKey(kes.address), new MemoryRecords())
      expect(await connector.describeKey('minio-sse')).toMatchObject({ currentVersion: 1, state: 'enabled' })
      const { plaintext, wrapped } = await connector.generateDataKey('minio-sse', {})
      expect((await connector.decrypt(wrapped, {})).equals(plaintext)).toBe(true)
      await expect(connector.createKey('minio-sse')).rejects.toMatchObject({ code: 'KMS_KEY_EXISTS' })
    })

    it('does not list a later version as a key, nor use it as one', async () => {
      const connector = await connect({ ...withApiKey(kes.address), keyPrefix: `t${count++}-` })
      await connector.createKey('k1')
      await connector.rotateKey('k1')
      expect(await connector.listKeys({ afterKeyId: '', limit: 9 })).toMatchObject([{ keyId: 'k1', currentVersion: 2 }])
      const later = [...kes.keys.keys()].find((name) => name.startsWith(`t${count - 1}-k1-v-`))
      const keyId = later?.slice(`t${count - 1}-`.length) ?? ''
      await expect(connector.describeKey(keyId)).rejects.toMatchObject({ code: 'KMS_KEY_NOT_FOUND' })
      await expect(connector.createKey(keyId)).rejects.toMatchObject({ code: 'KMS_KEY_ID_INVALID' })
    })

    it('lists all of them where KES cuts its lists', async () => {
      const keyPrefix = `t${count++}-`
      const connector = await connect({ ...withApiKey(kes.address), keyPrefix })
      const keyIds = ['a', 'a-b', 'a-c', 'a_', 'aa', 'b', 'b-v2', 'c1', 'c2', 'c3'].sort()
      for (const keyId of keyIds) await connector.createKey(keyId)
      kes.listMax = 2
      const listed = await connector.listKeys({ afterKeyId: '', limit: 100 })
      kes.listMax = 1024
      expect(listed.map(({ keyId }) => keyId)).toEqual(keyIds)
    })

    it('names a key id that KES does not take', async () => {
      const connector = await connect(withApiKey(kes.address))
      for (const keyId of ['with.dot', '-first', 'last-', '_']) {
        await expect(connector.createKey(keyId)).rejects.toMatchObject({ code: 'KMS_KEY_ID_INVALID' })
        await expect(connector.describeKey(keyId)).rejects.toMatchObject({ code: 'KMS_KEY_NOT_FOUND' })
      }
    })

    it('tells a key that is gone, also a later version, from a ciphertext that is wrong', async () => {
      const connector = await connect({ ...withApiKey(kes.address), keyPrefix: `t${count++}-` })
      await connector.createKey('leaving')
      const first = await connector.generateDataKey('leaving', {})
      await connector.rotateKey('leaving')
      const second = await connector.generateDataKey('leaving', {})
      const later = [...kes.keys.keys()].find((name) => name.startsWith(`t${count - 1}-leaving-v-`)) ?? ''
      kes.keys.delete(later)
      await expect(connector.decrypt(second.wrapped, {})).rejects.toMatchObject({ code: 'KMS_KEY_NOT_FOUND' })
      await expect(connector.generateDataKey('leaving', {})).rejects.toMatchObject({ code: 'KMS_KEY_NOT_FOUND' })
      expect((await connector.decrypt(first.wrapped, {})).equals(first.plaintext)).toBe(true)
      kes.keys.delete(`t${count - 1}-leaving`)
      await expect(connector.decrypt(first.wrapped, {})).rejects.toMatchObject({ code: 'KMS_KEY_NOT_FOUND' })
      await expect(connector.createKey('leaving')).rejects.toMatchObject({ code: 'KMS_KEY_EXISTS' })
    })

    it('opens a wrapped key under its own version only, whatever the records say', async () => {
      const records = new MemoryRecords()
      const connector = await connect({ ...withApiKey(kes.address), keyPrefix: `t${count++}-` }, records)
      await connector.createKey('k1')
      await connector.rotateKey('k1')
      const { wrapped } = await connector.generateDataKey('k1', {})
      const record = JSON.parse(Buffer.from(records.rows.get('versions/k1')?.value ?? []).toString())
      const value = Buffer.from(JSON.stringify({ ...record, later: [...record.later, ...record.later] }))
      records.rows.set('versions/k1', { value, revision: 2 })
      const asThird = connector.decrypt({ ...wrapped, keyVersion: 3 }, {})
      await expect(asThird).rejects.toMatchObject({ code: 'KMS_CIPHERTEXT_REFUSED' })
      records.rows.set('versions/k1', { value: Buffer.from('rubbish'), revision: 3 })
      await expect(connector.decrypt(wrapped, {})).rejects.toMatchObject({ code: 'KMS_RECORD_DAMAGED' })
    })

    it('wraps under no key of KES but its own versions, whatever the records say', async () => {
      const records = new MemoryRecords()
      const keyPrefix = `t${count++}-`
      const connector = await connect({ ...withApiKey(kes.address), keyPrefix }, records)
      await connector.createKey('k1')
      await connector.createKey('thief')
      const { wrapped } = await connector.generateDataKey('k1', {})
      const ofThief = `${keyPrefix}thief-v-0123456789ab`
      for (const name of [
        `${keyPrefix}thief`,
        ofThief,
        `${keyPrefix}k1`,
        '../status',
        `${keyPrefix}k1-v-0123456789ab/x`,
      ]) {
        const value = Buffer.from(JSON.stringify({ format: 1, keyId: 'k1', later: [{ name, createdAt: 1 }] }))
        records.rows.set('versions/k1', { value, revision: 1 })
        for (const act of [() => connector.generateDataKey('k1', {}), () => connector.decrypt(wrapped, {})]) {
          await expect(act()).rejects.toMatchObject({ code: 'KMS_RECORD_DAMAGED' })
        }
      }
    })

    it('fails its self-test while KES does not reach where it keeps them', async () => {
      const connector = await connect(withApiKey(kes.address))
      kes.isKeyStoreReachable = false
      await expect(connector.selfTest()).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
      kes.isKeyStoreReachable = true
    })
  })

  describe('and a server that is not well', () => {
    let asked = 0
    const answering = async (status: number, body: string, act: (address: string) => Promise<void>, delayMs = 0) => {
      asked = 0
      const { certFile, keyFile } = serverFiles
      const server = createServer({ cert: readFileSync(certFile), key: readFileSync(keyFile) }, (_, response) => {
        asked++
        setTimeout(() => response.writeHead(status, { location: 'https://127.0.0.1:1/' }).end(body), delayMs)
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      try {
        await act(addressOf(server))
      } finally {
        server.closeAllConnections()
        server.close()
      }
    }

    it.each([
      [500, '{"message":"secret-in-an-answer"}'],
      [502, '<html>secret-in-an-answer</html>'],
      [404, '<html>no such page</html>'],
      [404, '{"message":"no route to secret-in-an-answer"}'],
      [403, '<html>secret-in-an-answer</html>'],
      [307, ''],
      [200, 'secret-in-an-answer'],
      [200, '{"plaintext":"secret-in-an-answer","ciphertext":7}'],
      [200, '{"plaintext":"c2hvcnQ=","ciphertext":"c2hvcnQ="}'],
      [200, '[]'],
    ])('(%i %s) is unavailable, and nothing of its answer is told', async (status, body) => {
      await answering(status, body, async (address) => {
        const connector = await connect(withApiKey(address))
        const error = await connector.generateDataKey('k1', {}).catch((reason: unknown) => reason)
        expect(error).toMatchObject({ code: 'KMS_UNAVAILABLE' })
        expect(textsOf(error)).not.toContain('secret-in-an-answer')
      })
    })

    it('is given up after the time-out, and at once where nobody listens', async () => {
      const check = async (address: string) => {
        const connector = await connect({ ...withApiKey(address), timeoutMs: 200 })
        await expect(connector.selfTest()).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
        await expect(connector.generateDataKey('k1', {})).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
        // Each is over after one time-out: not tried again. None where a request was given up on its way.
        expect(asked).toBeLessThanOrEqual(2)
      }
      await answering(200, '{}', check, 60_000)
      await check(`https://127.0.0.1:${await freePort()}`)
    })

    it('that says of every list that it is cut is not asked for ever', async () => {
      await answering(200, '{"names":[],"continue_at":"x"}', async (address) => {
        const connector = await connect(withApiKey(address))
        const listing = connector.listKeys({ afterKeyId: '', limit: 1 })
        await expect(listing).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
      })
    })
  })
})

describe('the options of the kes connector', () => {
  const auth = { method: 'apiKey', apiKeyFile: 'x' }
  it.each([
    [{ address: 'http://127.0.0.1:7373', auth }, 'https'],
    [{ address: 'https://kes.example.org', auth: { method: 'password' } }, 'method'],
    [{ address: 'https://kes.example.org', auth: { method: 'cert', certFile: 'x' } }, 'keyFile'],
    [{ address: 'https://kes.example.org', auth: { method: 'apiKey' } }, 'apiKeyVariable'],
    [{ address: 'https://kes.example.org', auth: { ...auth, apiKeyVariable: 'X' } }, 'apiKeyFile'],
    [{ address: 'https://kes.example.org', auth, keyPrefix: 'a.b' }, 'keyPrefix'],
    [{ address: 'https://kes.example.org', auth, enclave: 'x' }, 'enclave'],
  ])('are refused as %j', (settings, word) => {
    const parsed = kesConnector.options.safeParse(settings)
    expect(parsed.success).toBe(false)
    expect(JSON.stringify(parsed.error?.issues)).toContain(word)
  })
})

function addressOf(server: ReturnType<typeof createServer>): string {
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function identityIn(certFile: string): string {
  const { publicKey } = new X509Certificate(readFileSync(certFile))
  return createHash('sha256')
    .update(publicKey.export({ format: 'der', type: 'spki' }))
    .digest('hex')
}

/** Everything that an error could tell. */
function textsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return [error.message, error.stack, JSON.stringify(error), textsOf(error.cause)].join('\n')
}
