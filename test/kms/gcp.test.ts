import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Secret } from '@coffer/crypto-core'
import type { KmsConnector } from '@coffer/kms'
import { gcpConnector } from '@coffer/kms/connectors/gcp'
import { kmsConnectorContract } from '@coffer/kms/contract'
import { MemoryRecords } from '@coffer/kms/testing'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { destroyedInTime, misbehavingService, PATIENT_MS, textsOf } from './cloud-failures.ts'
import { GcpDouble } from './gcp-double.ts'

const SUBJECT = 'subject-token-that-nobody-may-see'

describe('the gcp connector, against a double of the Cloud KMS API,', () => {
  const gcp = new GcpDouble()
  const directory = mkdtempSync(join(tmpdir(), 'coffer-gcp-'))
  const opened: KmsConnector[] = []
  let count = 0

  beforeAll(async () => {
    await gcp.server.listen()
    gcp.subjects.add(SUBJECT)
  })
  afterEach(async () => {
    for (const connector of opened.splice(0)) await connector.close()
  })
  afterAll(async () => {
    await gcp.server.stop()
    rmSync(directory, { recursive: true })
  })

  /** Workload identity federation: a token in a file is exchanged for Google's (AIP-4117). */
  const credentials = (subject = SUBJECT): string => {
    const [file, subjectFile] = [join(directory, `credentials-${count}.json`), join(directory, `subject-${count++}`)]
    writeFileSync(subjectFile, subject)
    writeFileSync(
      file,
      JSON.stringify({
        type: 'external_account',
        audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q',
        subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
        token_url: `${gcp.server.address}/sts`,
        credential_source: { file: subjectFile },
      }),
    )
    return file
  }
  const connect = async (settings: object = {}, records = new MemoryRecords()): Promise<KmsConnector> => {
    const options = gcpConnector.options.parse({
      keyRing: gcp.keyRing,
      address: gcp.server.address,
      credentialsFile: credentials(),
      keyPrefix: `t${count++}-`,
      timeoutMs: PATIENT_MS,
      ...settings,
    })
    const connector = await gcpConnector.open(options, { name: 'gcp', records })
    opened.push(connector)
    return connector
  }

  kmsConnectorContract('the gcp connector', async () => {
    const [records, keyPrefix] = [new MemoryRecords(), `t${count++}-`]
    const [connector, another] = [await connect({ keyPrefix }, records), await connect({ keyPrefix }, records)]
    return { connector, another, dispose: async () => undefined }
  })

  misbehavingService(async () => {
    const [records, keyPrefix] = [new MemoryRecords(), `t${count++}-`]
    return { connect: (timeoutMs) => connect({ keyPrefix, timeoutMs }, records), server: gcp.server }
  })

  it('keeps a token for as long as it is good', async () => {
    const connector = await connect()
    await connector.createKey('k1')
    const before = gcp.tokensIssued
    for (let index = 0; index < 5; index++) await connector.generateDataKey('k1', {})
    expect(gcp.tokensIssued).toBe(before)
  })

  it('is refused with credentials that Google does not take, and tells nothing of them', async () => {
    const connector = await connect({ credentialsFile: credentials('a-strange-subject-token') })
    const error = await connector.selfTest().catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'KMS_ACCESS_DENIED' })
    expect(textsOf(error)).not.toMatch(/strange-subject|Bearer /)
  })

  it('opens nothing with a file that holds no credentials', async () => {
    const file = join(directory, 'no-credentials')
    for (const text of ['{}', 'not JSON', '{"type":"service_account"}']) {
      writeFileSync(file, text)
      await expect(connect({ credentialsFile: file })).rejects.toMatchObject({ code: 'KMS_OPTIONS_INVALID' })
    }
  })

  it('is refused outside the key ring that it may use', async () => {
    const connector = await connect({ keyRing: gcp.keyRing.replace('ring', 'other') })
    await expect(connector.selfTest()).rejects.toMatchObject({ code: 'KMS_ACCESS_DENIED' })
    await expect(connector.createKey('k1')).rejects.toMatchObject({ code: 'KMS_ACCESS_DENIED' })
  })

  it('gives no token and no key away in an error', async () => {
    const connector = await connect()
    await connector.createKey('k1')
    const secret = Secret.copyOf(Buffer.alloc(32, 0x5a))
    const base64 = Buffer.alloc(32, 0x5a).toString('base64')
    gcp.server.misbehave = ({ body, authorization }) => ({
      status: 400,
      body: { error: { code: 400, status: 'INVALID_ARGUMENT', message: JSON.stringify([body, authorization]) } },
    })
    const error = await connector.encrypt(secret, 'k1', {}).catch((reason: unknown) => reason)
    gcp.server.misbehave = undefined
    expect(error).toMatchObject({ code: 'KMS_UNAVAILABLE' })
    expect(textsOf(error)).not.toContain(base64)
    expect(textsOf(error)).not.toContain('Bearer ')
  })

  it('refuses an answer that is of another version than it asked for', async () => {
    const connector = await connect({ keyPrefix: 'answer-' })
    await connector.createKey('k1')
    await connector.rotateKey('k1')
    gcp.server.misbehave = ({ path }) =>
      path.endsWith(':encrypt')
        ? {
            status: 200,
            body: { name: `${gcp.keyRing}/cryptoKeys/answer-k1/cryptoKeyVersions/1`, ciphertext: 'AAAA' },
          }
        : undefined
    await expect(connector.generateDataKey('k1', {})).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
    gcp.server.misbehave = undefined
  })

  it('never goes out of its key ring, whatever the records say', async () => {
    const records = new MemoryRecords()
    const connector = await connect({}, records)
    await connector.createKey('k1')
    const { wrapped } = await connector.generateDataKey('k1', {})
    const asked: string[] = []
    gcp.server.misbehave = ({ path }) => {
      asked.push(path)
      return undefined
    }
    const stolen = '../../../../../projects/thief/locations/global/keyRings/r/cryptoKeys/mine/1'
    for (const id of [stolen, 'k1/../1', '../1', 'k1', 'k1/1?alt=json', 'k1/x', `${'k'.repeat(64)}/1`]) {
      const value = Buffer.from(JSON.stringify({ format: 1, keyId: 'k1', versions: [{ id, createdAt: 1 }] }))
      records.rows.set('key/k1', { value, revision: 2 })
      for (const act of [() => connector.generateDataKey('k1', {}), () => connector.decrypt(wrapped, {})]) {
        await expect(act()).rejects.toMatchObject({ code: 'KMS_RECORD_DAMAGED' })
      }
    }
    expect(asked).toEqual([])
    gcp.server.misbehave = undefined
  })

  it('says of a version that is disabled or destroyed at Google that the key is not usable', async () => {
    const connector = await connect({ keyPrefix: 'states-' })
    await connector.createKey('k1')
    const { wrapped } = await connector.generateDataKey('k1', {})
    gcp.version('states-k1', 1).state = 'DISABLED'
    expect(await connector.describeKey('k1')).toMatchObject({ state: 'disabled' })
    await expect(connector.decrypt(wrapped, {})).rejects.toMatchObject({ code: 'KMS_KEY_DISABLED' })
    gcp.version('states-k1', 1).state = 'DESTROY_SCHEDULED'
    expect(await connector.describeKey('k1')).toMatchObject({ state: 'destroyed' })
  })

  it('waits for a version that an HSM takes a moment to make', async () => {
    gcp.generatesLate = true
    const connector = await connect({ protectionLevel: 'HSM' })
    await connector.createKey('k1')
    gcp.generatesLate = false
    await expect(connector.generateDataKey('k1', {})).resolves.toBeDefined()
  })

  it('gives a key that is there already a version for Coffer, but not one of another kind', async () => {
    gcp.keys.set('adopt-mine', {
      algorithm: 'GOOGLE_SYMMETRIC_ENCRYPTION',
      versions: [{ state: 'ENABLED', key: Buffer.alloc(32) }],
    })
    gcp.keys.set('adopt-rsa', { algorithm: 'RSA_DECRYPT_OAEP_2048_SHA256', versions: [] })
    const connector = await connect({ keyPrefix: 'adopt-' })
    expect(await connector.createKey('mine')).toMatchObject({ currentVersion: 1 })
    await connector.generateDataKey('mine', {})
    expect(gcp.keys.get('adopt-mine')?.versions.length).toBe(2)
    await expect(connector.createKey('rsa')).rejects.toMatchObject({ code: 'KMS_NOT_SUPPORTED' })
  })

  it('destroys a key with all its versions once its days are over, and not before', async () => {
    await destroyedInTime(await connect({ keyPrefix: 'gone-' }))
    expect(gcp.version('gone-k1', 2).state).toBe('DESTROY_SCHEDULED')
  })

  it('refuses ids that are no names in Google Cloud KMS', async () => {
    await expect((await connect()).createKey('with.dot')).rejects.toMatchObject({ code: 'KMS_KEY_ID_INVALID' })
  })

  it.each([
    [{ keyRing: 'ring' }],
    [{ address: 'http://kms.example.org' }],
    [{ address: 'https://kms.example.org/path' }],
    [{ keyPrefix: 'a/b' }],
    [{ protectionLevel: 'SAFE' }],
    [{ unknown: true }],
  ])('refuses the options %j', (wrong) => {
    expect(gcpConnector.options.safeParse({ keyRing: gcp.keyRing, ...wrong }).success).toBe(false)
  })
})
