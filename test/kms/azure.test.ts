import { execFileSync } from 'node:child_process'
import { constants, createPublicKey, publicEncrypt } from 'node:crypto'
import { insecureExportKeyBytes, Secret, wrapSecret } from '@coffer/crypto-core'
import type { KmsConnector } from '@coffer/kms'
import { azureConnector } from '@coffer/kms/connectors/azure'
import { kmsConnectorContract } from '@coffer/kms/contract'
import { MemoryRecords } from '@coffer/kms/testing'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { describeWithPrograms } from '../harness/find-program.ts'
import { AzureDouble } from './azure-double.ts'
import { CertificateAuthority } from './certificate-authority.ts'
import { destroyedInTime, misbehavingService, PATIENT_MS, textsOf } from './cloud-failures.ts'

describeWithPrograms('the azure connector, against a double of the Key Vault API,', ['openssl'], (programs) => {
  let authority: CertificateAuthority
  let azure: AzureDouble
  let count = 0
  const opened: KmsConnector[] = []

  beforeAll(async () => {
    authority = new CertificateAuthority(programs.openssl)
    azure = new AzureDouble(authority.issue('azure', 'serverAuth'))
    await azure.server.listen()
  })
  afterEach(async () => {
    azure.server.misbehave = undefined
    for (const connector of opened.splice(0)) await connector.close()
  })
  afterAll(async () => {
    await azure.server.stop()
    authority.dispose()
  })

  const secretAuth = (secret = azure.secret) => ({
    method: 'secret',
    tenantId: azure.tenantId,
    clientId: azure.clientId,
    secretFile: authority.fileWith(secret),
  })
  const connect = async (settings: object = {}, records = new MemoryRecords()): Promise<KmsConnector> => {
    const options = azureConnector.options.parse({
      vault: azure.server.address,
      authorityHost: azure.server.address,
      caFile: authority.caFile,
      auth: secretAuth(),
      keyPrefix: `t${count++}-`,
      timeoutMs: PATIENT_MS,
      ...settings,
    })
    const connector = await azureConnector.open(options, { name: 'azure', records })
    opened.push(connector)
    return connector
  }

  for (const keyType of ['RSA', 'oct-HSM']) {
    kmsConnectorContract(`the azure connector with ${keyType} keys`, async () => {
      const [records, keyPrefix] = [new MemoryRecords(), `t${count++}-`]
      const settings = { keyPrefix, keyType }
      const [connector, another] = [await connect(settings, records), await connect(settings, records)]
      return { connector, another, dispose: async () => undefined }
    })
  }

  misbehavingService(async () => {
    const [records, keyPrefix] = [new MemoryRecords(), `t${count++}-`]
    return { connect: (timeoutMs) => connect({ keyPrefix, timeoutMs }, records), server: azure.server }
  })

  describe('is to Microsoft Entra', () => {
    it('an application with a secret, one with a certificate, or a workload', async () => {
      await (await connect()).selfTest()
      const [certFile, keyFile] = rsaCertificate(programs.openssl, authority)
      const { tenantId, clientId } = azure
      await (await connect({ auth: { method: 'certificate', tenantId, clientId, certFile, keyFile } })).selfTest()
      azure.assertions.add('token-of-kubernetes')
      const tokenFile = authority.fileWith('token-of-kubernetes')
      const auth = { method: 'workloadIdentity', tenantId, clientId, tokenFile }
      await (await connect({ auth, keyType: 'oct-HSM' })).selfTest()
      expect(azure.asked.at(-1)).toMatchObject({
        client_assertion: 'token-of-kubernetes',
        scope: expect.stringContaining('https://managedhsm.azure.net/.default'),
      })
    })

    it('nobody with another secret, and tells nothing of it', async () => {
      const connector = await connect({ auth: secretAuth('a-strange-secret') })
      const error = await connector.selfTest().catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'KMS_ACCESS_DENIED' })
      expect(textsOf(error)).not.toMatch(/strange-secret|Bearer /)
    })

    it('nobody where a file is missing: the options are refused', async () => {
      const auth = { ...secretAuth(), secretFile: '/nowhere/secret' }
      await expect(connect({ auth })).rejects.toMatchObject({ code: 'KMS_OPTIONS_INVALID' })
      await expect(connect({ caFile: '/nowhere/ca' })).rejects.toMatchObject({ code: 'KMS_OPTIONS_INVALID' })
    })
  })

  it('refuses a server that the CA file does not vouch for', async () => {
    const stranger = new CertificateAuthority(programs.openssl)
    const connector = await connect({ caFile: stranger.caFile })
    await expect(connector.selfTest()).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
    stranger.dispose()
  })

  it('refuses a wrapped key that was made with the public key alone', async () => {
    const keyPrefix = 'forged-'
    const connector = await connect({ keyPrefix })
    await connector.createKey('k1')
    const { wrapped } = await connector.generateDataKey('k1', { a: 'b' })
    const [version] = azure.keys.get('forged-wrap-k1') ?? []
    const publicKey = createPublicKey({ key: version?.publicKey?.export({ format: 'jwk' }) ?? {}, format: 'jwk' })
    // All that someone has who can read the key from Azure and write to Coffer's disk, but has no right to sign.
    const key = Secret.random(32)
    const oaep = { key: publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }
    const mine = publicEncrypt(oaep, insecureExportKeyBytes(key))
    const envelope = wrapSecret(Secret.random(32), key, 'kms azure', {})
    const head = wrapped.ciphertext.subarray(0, 3)
    const signature = wrapped.ciphertext.subarray(3 + mine.length, 3 + mine.length + 64)
    const ciphertext = Buffer.concat([head, mine, signature, envelope])
    expect(ciphertext.length).toBe(wrapped.ciphertext.length)
    const opening = connector.decrypt({ ...wrapped, ciphertext }, { a: 'b' })
    await expect(opening).rejects.toMatchObject({ code: 'KMS_CIPHERTEXT_REFUSED' })
  })

  it('refuses a key that opens nothing, and one of another size, from a vault that answers with a wrong key', async () => {
    const connector = await connect()
    await connector.createKey('k1')
    const { wrapped } = await connector.generateDataKey('k1', {})
    for (const size of [32, 16, 64]) {
      azure.server.misbehave = ({ path }) => {
        const [, kid] = /^(.*)\/unwrapkey$/.exec(path) ?? []
        const value = Buffer.alloc(size, 7).toString('base64url')
        return kid === undefined ? undefined : { status: 200, body: { kid: `${azure.server.address}${kid}`, value } }
      }
      await expect(connector.decrypt(wrapped, {})).rejects.toMatchObject({ code: 'KMS_CIPHERTEXT_REFUSED' })
    }
  })

  it('says of a key that is disabled or deleted at Azure that it is not usable', async () => {
    const connector = await connect({ keyPrefix: 'states-' })
    await connector.createKey('k1')
    const { wrapped } = await connector.generateDataKey('k1', {})
    const [version] = azure.keys.get('states-wrap-k1') ?? []
    if (version) version.enabled = false
    expect(await connector.describeKey('k1')).toMatchObject({ state: 'disabled' })
    await expect(connector.decrypt(wrapped, {})).rejects.toMatchObject({ code: 'KMS_KEY_DISABLED' })
    azure.keys.delete('states-wrap-k1')
    expect(await connector.describeKey('k1')).toMatchObject({ state: 'destroyed' })
    await expect(connector.decrypt(wrapped, {})).rejects.toMatchObject({ code: 'KMS_KEY_NOT_FOUND' })
  })

  it('destroys a key with all its versions once its days are over, and not before', async () => {
    await destroyedInTime(await connect({ keyPrefix: 'gone-' }))
    expect([...azure.keys.keys()].filter((name) => name.startsWith('gone-'))).toEqual([])
  })

  it('refuses ids that are no names in Azure', async () => {
    for (const keyId of ['with.dot', 'with_line']) {
      await expect((await connect()).createKey(keyId)).rejects.toMatchObject({ code: 'KMS_KEY_ID_INVALID' })
    }
  })

  it.each([
    [{ vault: 'http://v.vault.azure.net' }],
    [{ vault: 'https://v.vault.azure.net/path' }],
    [{ keyType: 'RSA-1024' }],
    [{ keyPrefix: 'a_b' }],
    [{ auth: { method: 'password' } }],
    [{ unknown: true }],
  ])('refuses the options %j', (wrong) => {
    const right = { vault: 'https://v.vault.azure.net', auth: { method: 'managedIdentity' } }
    expect(azureConnector.options.safeParse(right).success).toBe(true)
    expect(azureConnector.options.safeParse({ ...right, ...wrong }).success).toBe(false)
  })
})

/** Entra takes certificates with RSA keys alone. */
function rsaCertificate(openssl: string, authority: CertificateAuthority): [certFile: string, keyFile: string] {
  const files: [string, string] = [authority.fileWith(''), authority.fileWith('')]
  const made = [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-subj',
    '/CN=coffer',
    '-out',
    files[0],
    '-keyout',
    files[1],
  ]
  execFileSync(openssl, made, { stdio: 'pipe' })
  return files
}
