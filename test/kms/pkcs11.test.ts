import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { Secret } from '@coffer/crypto-core'
import type { KmsConnector } from '@coffer/kms'
import { pkcs11Connector } from '@coffer/kms/connectors/pkcs11'
import { kmsConnectorContract } from '@coffer/kms/contract'
import { MemoryRecords } from '@coffer/kms/testing'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { runOrThrow } from '../harness/coffer-command.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { REPOSITORY } from '../harness/start-server.ts'
import { PATIENT_MS } from './cloud-failures.ts'
import { prepareSoftHsm, type SoftHsm } from './softhsm.ts'

const PIN = `pin-${randomBytes(6).toString('hex')}`
const TOKEN = 'coffer tests'

describeWithPrograms('the pkcs11 connector against SoftHSM', ['softhsm2-util', 'cc'], (programs) => {
  let hsm: SoftHsm
  let pinFile: string
  let count = 0
  const opened: KmsConnector[] = []

  beforeAll(async () => {
    hsm = prepareSoftHsm(programs['softhsm2-util'])
    // The library reads it once in a process; the workers of this file's tests are its threads.
    process.env.SOFTHSM2_CONF = hsm.configFile
    await hsm.addToken(TOKEN, PIN)
    await hsm.addToken('another', 'another-pin')
    pinFile = join(hsm.directory, 'pin')
    writeFileSync(pinFile, `${PIN}\n`, { mode: 0o600 })
  })
  afterEach(async () => {
    for (const connector of opened.splice(0)) await connector.close()
  })
  afterAll(() => {
    delete process.env.SOFTHSM2_CONF
    hsm.dispose()
  })

  const connect = async (settings: object = {}, records = new MemoryRecords()): Promise<KmsConnector> => {
    const place = { library: hsm.library, tokenLabel: TOKEN, pinFile, keyPrefix: `t${count++}-` }
    const options = pkcs11Connector.options.parse({ ...place, timeoutMs: PATIENT_MS, ...settings })
    const connector = await pkcs11Connector.open(options, { name: 'hsm', records })
    opened.push(connector)
    return connector
  }

  kmsConnectorContract('the pkcs11 connector', async () => {
    const records = new MemoryRecords()
    const settings = { keyPrefix: `t${count++}-` }
    const [connector, another] = [await connect(settings, records), await connect(settings, records)]
    return { connector, another, dispose: async () => undefined }
  })

  describe('and its token', () => {
    it('is found by label and serial; one that is not there is told', async () => {
      for (const settings of [{ tokenLabel: 'no such token' }, { tokenSerial: '0000000000000000' }]) {
        const failure = (await connect(settings)).selfTest()
        await expect(failure).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE', details: { what: 'token missing' } })
      }
    })

    it('keeps keys apart that have the same name in two installations', async () => {
      const [one, two] = [await connect({ keyPrefix: 'same-' }), await connect({ keyPrefix: 'same-' })]
      await one.createKey('k1')
      await two.createKey('k1')
      const { wrapped } = await one.generateDataKey('k1', {})
      await expect(two.decrypt(wrapped, {})).rejects.toMatchObject({ code: 'KMS_CIPHERTEXT_REFUSED' })
    })

    it('finds out every changed byte and every length of a wrapped key', async () => {
      const connector = await connect()
      await connector.createKey('k1')
      const { wrapped } = await connector.generateDataKey('k1', { a: 'b' })
      for (let at = 0; at < wrapped.ciphertext.length; at++) {
        const flipped = Uint8Array.from(wrapped.ciphertext)
        flipped[at] = (flipped[at] ?? 0) ^ 0x80
        for (const ciphertext of [flipped, wrapped.ciphertext.slice(0, at)]) {
          const opening = connector.decrypt({ ...wrapped, ciphertext }, { a: 'b' })
          await expect(opening).rejects.toMatchObject({ code: 'KMS_CIPHERTEXT_REFUSED' })
        }
      }
    })

    it('never uses a nonce twice, and gives no key away', async () => {
      const connector = await connect()
      await connector.createKey('k1')
      const nonces = new Set<string>()
      for (let index = 0; index < 200; index++) {
        const { ciphertext } = await connector.encrypt(Secret.copyOf(Buffer.alloc(32)), 'k1', {})
        nonces.add(Buffer.from(ciphertext.subarray(2, 14)).toString('hex'))
      }
      expect(nonces.size).toBe(200)
    })

    it('destroys the objects when the deletion of a key is due, and not before', async () => {
      const records = new MemoryRecords()
      const connector = await connect({}, records)
      await connector.createKey('k1')
      const { wrapped } = await connector.generateDataKey('k1', {})
      await connector.scheduleKeyDeletion('k1', 7)
      await expect(connector.destroyKey?.('k1')).rejects.toMatchObject({ code: 'KMS_KEY_NOT_PENDING_DELETION' })
      const life = JSON.parse(Buffer.from(records.rows.get('life/k1')?.value ?? []).toString())
      records.rows.set('life/k1', { value: Buffer.from(JSON.stringify({ ...life, deletionAt: 1 })), revision: 9 })
      expect(await connector.destroyKey?.('k1')).toMatchObject({ state: 'destroyed' })
      records.rows.delete('life/k1')
      // Said by the token alone now.
      expect(await connector.describeKey('k1')).toMatchObject({ state: 'destroyed' })
      await expect(connector.decrypt(wrapped, {})).rejects.toMatchObject({ code: 'KMS_KEY_NOT_FOUND' })
    })

    it('serves many calls at once through its sessions', async () => {
      const connector = await connect({ sessions: 3 })
      await connector.createKey('k1')
      const made = await Promise.all(Array.from({ length: 60 }, () => connector.generateDataKey('k1', {})))
      const opened = await Promise.all(made.map(({ wrapped }) => connector.decrypt(wrapped, {})))
      expect(opened.every((secret, index) => made[index]?.plaintext.equals(secret))).toBe(true)
    })
  })

  describe('and its sessions', () => {
    it('are opened again when the token has closed them, or the library has forgotten everything', async () => {
      const connector = await connect({ sessions: 1 })
      await connector.createKey('k1')
      const { plaintext, wrapped } = await connector.generateDataKey('k1', {})
      const kms = createRequire(join(REPOSITORY, 'packages/kms/package.json'))
      const { PKCS11 } = kms('pkcs11js')
      const ours = new PKCS11()
      ours.load(hsm.library)
      for (const lose of [
        () => {
          for (const slot of ours.C_GetSlotList(true)) ours.C_CloseAllSessions(slot)
        },
        () => ours.C_Finalize(),
      ]) {
        lose()
        expect((await connector.decrypt(wrapped, {})).equals(plaintext)).toBe(true)
      }
      ours.close()
    })

    it('find a token that came after the library had begun, and leave the sessions of other tokens whole', async () => {
      const [late, other] = [await connect({ tokenLabel: 'late' }), await connect()]
      await other.createKey('k1')
      const { plaintext, wrapped } = await other.generateDataKey('k1', {})
      await expect(late.selfTest()).rejects.toMatchObject({ details: { what: 'token missing' } })
      await hsm.addToken('late', PIN)
      const inUse = Promise.all(Array.from({ length: 200 }, () => other.decrypt(wrapped, {})))
      // Where others have sessions, the library is begun anew once in a while.
      await expect.poll(() => late.selfTest().then(() => 'in'), { timeout: 60_000 }).toBe('in')
      expect((await inUse).every((opened) => opened.equals(plaintext))).toBe(true)
      expect((await other.decrypt(wrapped, {})).equals(plaintext)).toBe(true)
    })

    it('that do not answer are given up in time', async () => {
      const source = join(hsm.directory, 'hangs.c')
      const library = join(hsm.directory, 'hangs.so')
      const release = join(hsm.directory, 'release')
      const hang = `while (access("${release}", F_OK)) usleep(10000);`
      writeFileSync(source, `#include <unistd.h>\n__attribute__((constructor)) static void hang(void) { ${hang} }\n`)
      await runOrThrow(programs.cc, ['-shared', '-fPIC', '-o', library, source], { env: process.env })
      const connector = await connect({ library, timeoutMs: 300 })
      try {
        await expect(connector.selfTest()).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
      } finally {
        writeFileSync(release, '')
      }
    })
  })

  describe('and its PIN', () => {
    it('is tried once where it is wrong, until it is another', async () => {
      await hsm.addToken('locks', 'right-pin')
      const file = join(hsm.directory, 'wrong-pin')
      writeFileSync(file, 'wrong-pin')
      const records = new MemoryRecords()
      const connector = await connect({ tokenLabel: 'locks', pinFile: file, sessions: 4 }, records)
      const tries = await Promise.allSettled(Array.from({ length: 12 }, () => connector.selfTest()))
      for (const result of tries) {
        expect(result).toMatchObject({ status: 'rejected', reason: { code: 'KMS_ACCESS_DENIED' } })
        if (result.status === 'rejected') expect(inspect(result.reason, { depth: 9 })).not.toContain('wrong-pin')
      }
      const again = tries.filter((result) => result.status === 'rejected' && 'reason' in result.reason.details)
      expect(again).toHaveLength(11)
      // As another process that starts meanwhile.
      const other = await connect({ tokenLabel: 'locks', pinFile: file }, records)
      const before = other.selfTest()
      await expect(before).rejects.toMatchObject({
        code: 'KMS_ACCESS_DENIED',
        details: { reason: expect.stringContaining('refused before') },
      })
      writeFileSync(file, 'right-pin')
      await expect(connector.selfTest()).resolves.toBeUndefined()
      await expect(other.selfTest()).resolves.toBeUndefined()
    })

    it('comes from a command too', async () => {
      const command = join(hsm.directory, 'print-pin')
      writeFileSync(command, `#!/bin/sh\necho ${PIN}\n`)
      chmodSync(command, 0o700)
      const connector = await connect({ pinFile: undefined, pinCommand: [command] })
      await expect(connector.selfTest()).resolves.toBeUndefined()
      const failing = await connect({ pinFile: undefined, pinCommand: ['/bin/false'] })
      await expect(failing.selfTest()).rejects.toMatchObject({ code: 'KMS_ACCESS_DENIED' })
      const missing = await connect({ pinFile: join(hsm.directory, 'none') })
      await expect(missing.selfTest()).rejects.toMatchObject({ code: 'KMS_ACCESS_DENIED' })
    })

    it('is asked for one way', () => {
      const place = { library: hsm.library, tokenLabel: TOKEN }
      for (const wrong of [place, { ...place, pinFile, pinCommand: ['x'] }, { ...place, pin: PIN }]) {
        expect(pkcs11Connector.options.safeParse(wrong).success).toBe(false)
      }
    })
  })

  describe('and its library', () => {
    it('that is not there, or is none, is told, and stops nobody', async () => {
      const text = join(hsm.directory, 'text.so')
      writeFileSync(text, 'not a library')
      for (const library of ['/nowhere/lib.so', text]) {
        expect(existsSync('/nowhere')).toBe(false)
        const failure = (await connect({ library })).selfTest()
        await expect(failure).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE', details: { what: 'library missing' } })
      }
    })

    it('is left alone after the connector is closed', async () => {
      const connector = await connect()
      await connector.createKey('k1')
      await connector.close()
      await expect(connector.generateDataKey('k1', {})).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
    })
  })
})
