import type { KmsConnector } from '@coffer/kms'
import { kmipConnector } from '@coffer/kms/connectors/kmip'
import { kmsConnectorContract } from '@coffer/kms/contract'
import { MemoryRecords } from '@coffer/kms/testing'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { describeWithPrograms } from '../harness/find-program.ts'
import { CertificateAuthority } from './certificate-authority.ts'
import { PATIENT_MS } from './cloud-failures.ts'
import { type PyKmip, startPyKmip } from './pykmip.ts'

describeWithPrograms('the kmip connector against PyKMIP', ['openssl', 'pykmip-server'], (programs) => {
  let authority: CertificateAuthority
  let server: PyKmip
  let base: object
  let count = 0
  const opened: KmsConnector[] = []

  beforeAll(async () => {
    authority = new CertificateAuthority(programs.openssl)
    server = await startPyKmip(programs['pykmip-server'], authority)
    base = {
      host: '127.0.0.1',
      port: server.port,
      caFile: authority.caFile,
      ...authority.issue('coffer', 'clientAuth'),
    }
  })
  afterEach(async () => {
    for (const connector of opened.splice(0)) await connector.close()
  })
  afterAll(async () => {
    await server.stop()
    authority.dispose()
  })

  const connect = async (settings: object, records = new MemoryRecords()): Promise<KmsConnector> => {
    const options = kmipConnector.options.parse({ ...base, timeoutMs: PATIENT_MS, ...settings })
    const connector = await kmipConnector.open(options, { name: 'kmip', records })
    opened.push(connector)
    return connector
  }

  for (const protocolVersion of ['1.4', '2.0'] as const) {
    kmsConnectorContract(`the kmip connector, in KMIP ${protocolVersion},`, async () => {
      // Only what a fixture makes has its prefix.
      const settings = { protocolVersion, keyPrefix: `t${count++}-` }
      const records = new MemoryRecords()
      const [connector, another] = [await connect(settings, records), await connect(settings, records)]
      return { connector, another, dispose: async () => undefined }
    })
  }

  describe('is to the server', () => {
    it('nobody with a certificate of another authority, or none for clients', async () => {
      const other = new CertificateAuthority(programs.openssl)
      for (const files of [other.issue('coffer', 'clientAuth'), authority.issue('coffer', 'serverAuth')]) {
        const connector = await connect(files)
        await expect(connector.selfTest()).rejects.toMatchObject({ code: 'KMS_ACCESS_DENIED' })
      }
      other.dispose()
    })

    it('not someone else, whose keys it may not use', async () => {
      const records = new MemoryRecords()
      const owner = await connect({ keyPrefix: `t${count++}-` }, records)
      await owner.createKey('k1')
      const { wrapped } = await owner.generateDataKey('k1', {})
      const stranger = await connect(authority.issue('stranger', 'clientAuth'), records)
      await expect(stranger.generateDataKey('k1', {})).rejects.toMatchObject({ code: 'KMS_ACCESS_DENIED' })
      await expect(stranger.decrypt(wrapped, {})).rejects.toMatchObject({ code: 'KMS_ACCESS_DENIED' })
    })
  })

  describe('and the objects of the server', () => {
    it('makes keys whose names somebody else uses too, and mixes nothing up', async () => {
      const keyPrefix = `t${count++}-`
      const [one, two] = [await connect({ keyPrefix }), await connect({ keyPrefix })]
      await one.createKey('k1')
      await two.createKey('k1')
      const { wrapped } = await one.generateDataKey('k1', {})
      await expect(two.decrypt(wrapped, {})).rejects.toMatchObject({ code: 'KMS_CIPHERTEXT_REFUSED' })
      await two.rotateKey('k1')
      expect(await one.describeKey('k1')).toMatchObject({ currentVersion: 1 })
    })

    it('destroys them when the deletion of a key is due, and not before', async () => {
      const records = new MemoryRecords()
      const settings = { keyPrefix: `t${count++}-` }
      const connector = await connect(settings, records)
      await connector.createKey('k1')
      const first = await connector.generateDataKey('k1', {})
      await connector.rotateKey('k1')
      const second = await connector.generateDataKey('k1', {})
      // As another installation knows it: it hears of the destruction from the server alone.
      const elsewhere = new MemoryRecords()
      elsewhere.rows.set('key/k1', { value: records.rows.get('key/k1')?.value ?? Buffer.alloc(0), revision: 1 })
      const another = await connect(settings, elsewhere)
      await connector.scheduleKeyDeletion('k1', 7)
      await expect(connector.destroyKey?.('k1')).rejects.toMatchObject({ code: 'KMS_KEY_NOT_PENDING_DELETION' })
      expect((await another.decrypt(first.wrapped, {})).equals(first.plaintext)).toBe(true)
      const life = JSON.parse(Buffer.from(records.rows.get('life/k1')?.value ?? []).toString())
      const due = Buffer.from(JSON.stringify({ ...life, deletionAt: 1 }))
      records.rows.set('life/k1', { value: due, revision: 9 })
      expect(await connector.destroyKey?.('k1')).toMatchObject({ state: 'destroyed' })
      for (const { wrapped } of [first, second]) {
        await expect(connector.decrypt(wrapped, {})).rejects.toMatchObject({ code: 'KMS_KEY_NOT_FOUND' })
        await expect(another.decrypt(wrapped, {})).rejects.toMatchObject({ code: 'KMS_KEY_NOT_FOUND' })
      }
      expect(await another.describeKey('k1')).toMatchObject({ state: 'destroyed' })
      await expect(connector.createKey('k1')).rejects.toMatchObject({ code: 'KMS_KEY_EXISTS' })
    })

    it('opens a wrapped key under its own version only, whatever the records say', async () => {
      const records = new MemoryRecords()
      const connector = await connect({ keyPrefix: `t${count++}-` }, records)
      await connector.createKey('k1')
      const { wrapped } = await connector.generateDataKey('k1', {})
      const record = JSON.parse(Buffer.from(records.rows.get('key/k1')?.value ?? []).toString())
      const twice = Buffer.from(JSON.stringify({ ...record, versions: [...record.versions, ...record.versions] }))
      records.rows.set('key/k1', { value: twice, revision: 2 })
      const asSecond = connector.decrypt({ ...wrapped, keyVersion: 2 }, {})
      await expect(asSecond).rejects.toMatchObject({ code: 'KMS_CIPHERTEXT_REFUSED' })
      records.rows.set('key/k1', { value: Buffer.from('rubbish'), revision: 3 })
      await expect(connector.decrypt(wrapped, {})).rejects.toMatchObject({ code: 'KMS_RECORD_DAMAGED' })
    })

    it('does many things at once', async () => {
      const connector = await connect({ keyPrefix: `t${count++}-` })
      await connector.createKey('k1')
      const made = await Promise.all(Array.from({ length: 40 }, () => connector.generateDataKey('k1', {})))
      const read = await Promise.all(made.map(({ wrapped }) => connector.decrypt(wrapped, {})))
      expect(read.every((secret, index) => made[index]?.plaintext.equals(secret))).toBe(true)
    })
  })
})
