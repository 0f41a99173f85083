import type { KmsConnector } from '@coffer/kms'
import { kmipConnector } from '@coffer/kms/connectors/kmip'
import { MemoryRecords } from '@coffer/kms/testing'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { describeWithPrograms } from '../harness/find-program.ts'
import { freePort } from '../harness/free-port.ts'
import { CertificateAuthority } from './certificate-authority.ts'
import {
  answerTo,
  enumeration,
  type KmipDouble,
  OPERATIONS,
  type OperationName,
  protocolVersion,
  type Script,
  startKmipDouble,
  structure,
  textHex,
  ttlv,
} from './kmip-double.ts'

const PERMISSION_DENIED = 0x0c
const GENERAL_FAILURE = 0x100
const CRYPTOGRAPHIC_FAILURE = 0x0a
const ITEM_NOT_FOUND = 0x01

const SECRET = textHex('secret-in-an-answer')
const IV = ttlv('42003d', 8, '11'.repeat(12))
const TAG = ttlv('4200ff', 8, '22'.repeat(16))
const dataOf = (hex: string): string => ttlv('4200c2', 8, hex)
const sealing = (bytes: number): string => dataOf('33'.repeat(bytes)) + IV + TAG
const stateOf = (state: number): string =>
  structure('420008', ttlv('42000a', 7, textHex('State')), enumeration('42000b', state))
const operations = (...names: OperationName[]): string =>
  names.map((name) => enumeration('42005c', OPERATIONS[name])).join('')
const NEEDED = ['create', 'locate', 'getAttributes', 'activate', 'encrypt', 'decrypt'] as const

describeWithPrograms('the kmip connector and a server', ['openssl'], (programs) => {
  let authority: CertificateAuthority
  let double: KmipDouble
  let respond: (operation: OperationName) => string | undefined
  const opened: KmsConnector[] = []

  beforeAll(async () => {
    authority = new CertificateAuthority(programs.openssl)
    double = await startKmipDouble(authority, (operation) => respond(operation))
  })
  afterEach(async () => {
    for (const connector of opened.splice(0)) await connector.close()
  })
  afterAll(async () => {
    await double.stop()
    authority.dispose()
  })

  /** With a key `k1` of one version on record. */
  const connect = async (settings: object = {}): Promise<KmsConnector> => {
    const files = { caFile: authority.caFile, ...authority.issue('coffer', 'clientAuth') }
    const options = kmipConnector.options.parse({ host: '127.0.0.1', port: double.port, ...files, ...settings })
    const records = new MemoryRecords()
    const key = { format: 1, keyId: 'k1', versions: [{ id: 'object-1', createdAt: 1 }] }
    await records.put('key/k1', Buffer.from(JSON.stringify(key)), 0)
    const connector = await kmipConnector.open(options, { name: 'kmip', records })
    opened.push(connector)
    return connector
  }
  const following = (script: Script) => (operation: OperationName) =>
    answerTo(operation, script[operation] ?? GENERAL_FAILURE)
  const wrapped = {
    connector: 'kmip',
    keyId: 'k1',
    keyVersion: 1,
    ciphertext: Buffer.from(`010c${'11'.repeat(12)}${'22'.repeat(16)}33`, 'hex'),
  }

  describe('that will not decrypt', () => {
    const opens = dataOf(textHex('Is this key in working order?'))
    it.each<[string, string, Script]>([
      ['has found the tag wrong', 'KMS_CIPHERTEXT_REFUSED', { decrypt: CRYPTOGRAPHIC_FAILURE }],
      ['has lost the key', 'KMS_KEY_NOT_FOUND', { decrypt: ITEM_NOT_FOUND }],
      ['has the key out of use', 'KMS_KEY_DISABLED', { decrypt: PERMISSION_DENIED, getAttributes: stateOf(3) }],
      ['has destroyed the key', 'KMS_KEY_NOT_FOUND', { decrypt: PERMISSION_DENIED, getAttributes: stateOf(5) }],
      ['does not let us', 'KMS_ACCESS_DENIED', { decrypt: PERMISSION_DENIED, getAttributes: stateOf(2) }],
      ['shows us nothing', 'KMS_ACCESS_DENIED', { decrypt: PERMISSION_DENIED, getAttributes: PERMISSION_DENIED }],
      ['cannot', 'KMS_NOT_SUPPORTED', { decrypt: 0x05 }],
      ['does not know us', 'KMS_ACCESS_DENIED', { decrypt: 0x03 }],
      ['is broken, also for something else', 'KMS_UNAVAILABLE', { encrypt: sealing(29) }],
      ['is broken altogether', 'KMS_UNAVAILABLE', {}],
      ['opens with nothing in its answer', 'KMS_UNAVAILABLE', { decrypt: '' }],
    ])('because it %s: %s', async (_, code, script) => {
      respond = following(script)
      const connector = await connect()
      const error = await connector.decrypt(wrapped, {}).catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code })
      expect(textsOf(error)).not.toContain('secret-in-an-answer')
    })

    it('for a reason of its own, but opens something else: the ciphertext was wrong', async () => {
      let calls = 0
      respond = (operation) => {
        if (operation === 'encrypt') return answerTo(operation, sealing(29))
        return answerTo(operation, calls++ === 0 ? GENERAL_FAILURE : opens)
      }
      const connector = await connect()
      await expect(connector.decrypt(wrapped, {})).rejects.toMatchObject({ code: 'KMS_CIPHERTEXT_REFUSED' })
      expect(calls).toBe(2)
    })

    it.each([
      ['', 'nothing'],
      ['02', 'another format'],
      [`010b${'11'.repeat(11)}${'22'.repeat(16)}33`, 'a nonce that is too short'],
      [`0111${'11'.repeat(17)}${'22'.repeat(16)}33`, 'a nonce that is too long'],
      [`010c${'11'.repeat(12)}${'22'.repeat(16)}`, 'no data'],
    ])('is not asked to with %j, %s', async (hex) => {
      respond = () => {
        throw new Error('asked')
      }
      const connector = await connect()
      const opening = connector.decrypt({ ...wrapped, ciphertext: Buffer.from(hex, 'hex') }, {})
      await expect(opening).rejects.toMatchObject({ code: 'KMS_CIPHERTEXT_REFUSED' })
    })
  })

  describe('that encrypts, but not with AES-GCM,', () => {
    it.each([
      ['without a tag', dataOf('33'.repeat(32)) + IV],
      ['without a nonce', dataOf('33'.repeat(32)) + TAG],
      ['with a short tag', dataOf('33'.repeat(32)) + IV + ttlv('4200ff', 8, '22'.repeat(12))],
      ['with a short nonce', dataOf('33'.repeat(32)) + ttlv('42003d', 8, '11'.repeat(8)) + TAG],
      ['with padding', sealing(48)],
      ['with text for bytes', ttlv('4200c2', 7, '33'.repeat(32)) + IV + TAG],
    ])('%s, is unavailable', async (_, encrypt) => {
      respond = following({ encrypt })
      const connector = await connect()
      await expect(connector.generateDataKey('k1', {})).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
    })
  })

  it.each([
    [1, 'disabled'],
    [2, 'enabled'],
    [3, 'disabled'],
    [4, 'disabled'],
    [5, 'destroyed'],
    [6, 'destroyed'],
  ])('that has an object in state %i has a key that is %s', async (objectState, state) => {
    respond = following({ getAttributes: stateOf(objectState) })
    expect(await (await connect()).describeKey('k1')).toMatchObject({ state })
  })

  describe('in a self-test', () => {
    it.each<[string, string, Script]>([
      ['another version', 'KMS_NOT_SUPPORTED', { discoverVersions: protocolVersion(1, 2) }],
      ['no version', 'KMS_NOT_SUPPORTED', { discoverVersions: '' }],
      [
        'no Encrypt',
        'KMS_NOT_SUPPORTED',
        { discoverVersions: protocolVersion(1, 4), query: operations('create', 'locate', 'getAttributes', 'activate') },
      ],
      ['nobody in', 'KMS_ACCESS_DENIED', { discoverVersions: 0x03 }],
      ['nothing', 'KMS_UNAVAILABLE', {}],
    ])('that has %s fails it: %s', async (_, code, script) => {
      respond = following(script)
      await expect((await connect()).selfTest()).rejects.toMatchObject({ code })
    })

    it('that has all of it passes', async () => {
      respond = following({ discoverVersions: protocolVersion(1, 4), query: operations(...NEEDED) })
      await (await connect()).selfTest()
    })
  })

  describe('that is not well', () => {
    const right = answerTo('encrypt', sealing(32))
    it.each([
      ['rubbish', SECRET],
      ['a page of a web server', textHex('HTTP/1.1 200 OK\r\n\r\nsecret-in-an-answer')],
      ['no batch item', structure('42007b')],
      ['two batch items', structure('42007b', structure('42000f'), structure('42000f'))],
      ['the answer to something else', answerTo('decrypt', sealing(32))],
      ['more than an answer', right + right],
      ['an answer of 4 GiB', '42007b01fffffff8'],
      ['a request', right.replace('42007b', '420078')],
      ['items that end too late', structure('42007b', '42000f0100000020')],
    ])('and sends %s is unavailable', async (_, response) => {
      respond = () => response
      const connector = await connect()
      const error = await connector.generateDataKey('k1', {}).catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'KMS_UNAVAILABLE' })
      expect(textsOf(error)).not.toContain('secret-in-an-answer')
    })

    it('is given up after the time-out, also in the middle of an answer, and at once where nobody listens', async () => {
      for (const response of [undefined, '42007b', right.slice(0, 64)]) {
        let asked = 0
        respond = () => {
          asked++
          return response
        }
        const connector = await connect({ timeoutMs: 200 })
        await expect(connector.generateDataKey('k1', {})).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
        // Over after one time-out: not tried again. None where the request was given up on its way.
        expect(asked).toBeLessThanOrEqual(1)
      }
      const nowhere = await connect({ port: await freePort() })
      await expect(nowhere.selfTest()).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
    })

    it('that left one request without an answer answers the next one', async () => {
      let count = 0
      respond = () => (count++ === 0 ? undefined : right)
      const connector = await connect({ timeoutMs: 3_000 })
      await expect(connector.generateDataKey('k1', {})).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
      expect((await connector.generateDataKey('k1', {})).wrapped.keyVersion).toBe(1)
    })

    it('is believed only if the CA file vouches for it', async () => {
      respond = () => right
      const other = new CertificateAuthority(programs.openssl)
      const connector = await connect({ caFile: other.caFile })
      await expect(connector.generateDataKey('k1', {})).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
      other.dispose()
    })
  })
})

describe('the options of the kmip connector', () => {
  const files = { certFile: 'x', keyFile: 'y' }
  it.each([
    [{ ...files }, 'host'],
    [{ host: 'kmip.example.org', certFile: 'x' }, 'keyFile'],
    [{ host: 'kmip.example.org', ...files, port: 0 }, 'port'],
    [{ host: 'kmip.example.org', ...files, protocolVersion: '1.0' }, 'protocolVersion'],
    [{ host: 'kmip.example.org', ...files, keyPrefix: 'a/b' }, 'keyPrefix'],
    [{ host: 'kmip.example.org', ...files, hosts: 'x' }, 'hosts'],
  ])('are refused as %j', (settings, word) => {
    const parsed = kmipConnector.options.safeParse(settings)
    expect(parsed.success).toBe(false)
    expect(JSON.stringify(parsed.error?.issues)).toContain(word)
  })

  it('name a file that cannot be used, and only name it', async () => {
    const context = { name: 'kmip', records: new MemoryRecords() }
    for (const file of ['/no/such/file', import.meta.filename]) {
      const options = kmipConnector.options.parse({ host: 'kmip.example.org', certFile: file, keyFile: file })
      const opening = kmipConnector.open(options, context)
      await expect(opening).rejects.toMatchObject({ code: 'KMS_OPTIONS_INVALID' })
    }
  })
})

/** Everything that an error could tell. */
function textsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return [error.message, error.stack, JSON.stringify(error), textsOf(error.cause)].join('\n')
}
