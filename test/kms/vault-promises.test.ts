import type { RequestListener } from 'node:http'
import { Secret } from '@coffer/crypto-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { describeWithPrograms } from '../harness/find-program.ts'
import { type Bao, startBao } from './bao.ts'
import { answering, vaultWorkbench } from './vault-connect.ts'

describeWithPrograms('the vault connector and what others do to its keys', ['bao'], (programs) => {
  const { connect, withToken, dispose } = vaultWorkbench()
  let bao: Bao
  let settings: { address: string; auth: object }
  beforeAll(async () => {
    bao = await startBao(programs.bao)
    settings = withToken(bao.address, bao.rootToken)
  })
  afterAll(async () => {
    await dispose()
    await bao.stop()
  })

  it('uses no key that would not authenticate the context', async () => {
    await bao.api('POST', 'transit/keys/coffer-not-derived', { type: 'aes256-gcm96' })
    const connector = await connect(settings)
    const making = connector.generateDataKey('not-derived', { bucket: 'b1' })
    await expect(making).rejects.toMatchObject({ code: 'KMS_NOT_SUPPORTED' })
    const encrypting = connector.encrypt(Secret.random(32), 'not-derived', { bucket: 'b1' })
    await expect(encrypting).rejects.toMatchObject({ code: 'KMS_NOT_SUPPORTED' })
  })

  it('refuses a ciphertext in which any one character is another, also the last before the padding', async () => {
    const connector = await connect(settings)
    await connector.createKey('padded')
    // One byte makes 29 with nonce and tag: the last character carries two bits that stand for nothing.
    const wrapped = await connector.encrypt(Secret.random(1), 'padded', {})
    const text = Buffer.from(wrapped.ciphertext).toString()
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
    const lastAt = text.indexOf('=') - 1
    const next = alphabet[alphabet.indexOf(text[lastAt] ?? '') ^ 1]
    const ciphertext = Buffer.from(`${text.slice(0, lastAt)}${next}${text.slice(lastAt + 1)}`)
    const opening = connector.decrypt({ ...wrapped, ciphertext }, {})
    await expect(opening).rejects.toMatchObject({ code: 'KMS_CIPHERTEXT_REFUSED' })
  })

  it('tells a key that is put away, or gone, from a ciphertext that is wrong', async () => {
    const connector = await connect(settings)
    await connector.createKey('leaving')
    const { wrapped } = await connector.generateDataKey('leaving', {})
    await bao.api('DELETE', 'transit/keys/coffer-leaving/soft-delete')
    await expect(connector.decrypt(wrapped, {})).rejects.toMatchObject({ code: 'KMS_KEY_DISABLED' })
    await expect(connector.generateDataKey('leaving', {})).rejects.toMatchObject({ code: 'KMS_KEY_DISABLED' })
    await bao.api('POST', 'transit/keys/coffer-leaving/soft-delete-restore')
    await bao.api('POST', 'transit/keys/coffer-leaving/config', { deletion_allowed: true })
    await bao.api('DELETE', 'transit/keys/coffer-leaving')
    await expect(connector.decrypt(wrapped, {})).rejects.toMatchObject({ code: 'KMS_KEY_NOT_FOUND' })
    await expect(connector.rewrap(wrapped, {}, 'leaving')).rejects.toMatchObject({ code: 'KMS_KEY_NOT_FOUND' })
  })

  it('lists its keys also where others keep keys for signing under the same prefix', async () => {
    await bao.api('POST', 'transit/keys/shared-signing', { type: 'ed25519' })
    const connector = await connect({ ...settings, keyPrefix: 'shared-' })
    await connector.createKey('wrapping')
    const listed = await connector.listKeys({ afterKeyId: '', limit: 10 })
    expect(listed.map(({ keyId }) => keyId)).toEqual(['wrapping'])
  })

  it('names a key id that Transit does not take', async () => {
    const connector = await connect(settings)
    await expect(connector.createKey('ends-with.')).rejects.toMatchObject({ code: 'KMS_KEY_ID_INVALID' })
  })

  it('finds out in its self-test that there is no Transit engine, and takes no data for damaged meanwhile', async () => {
    const right = await connect(settings)
    await right.createKey('elsewhere')
    const { wrapped } = await right.generateDataKey('elsewhere', {})
    const connector = await connect({ ...settings, mount: 'nothing-here' })
    for (const use of [
      () => connector.selfTest(),
      () => connector.describeKey('elsewhere'),
      () => connector.decrypt(wrapped, {}),
    ]) {
      await expect(use()).rejects.toMatchObject({ code: 'KMS_OPTIONS_INVALID' })
    }
  })
})

describe('the vault connector and what stands in the place of a server', () => {
  const { connect, withToken, dispose } = vaultWorkbench()
  afterAll(dispose)

  const headers = { 'content-type': 'text/html', location: 'http://127.0.0.1:1/v1/elsewhere' }

  it.each([
    [404, '<html>no such page</html>'],
    [307, ''],
    [400, '<html>bad request</html>'],
  ])('(%i %s) is unavailable: a proxy is no authority on keys', async (status, body) => {
    const answer: RequestListener = (_, response) => response.writeHead(status, headers).end(body)
    await answering(answer, async (address) => {
      const connector = await connect(withToken(address, 'a-token'))
      await expect(connector.describeKey('k1')).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
    })
  })

  it('says that it has rotated a key only when it has', async () => {
    const key = { type: 'aes256-gcm96', derived: true, latest_version: 1, keys: { 1: 1 }, ttl: 0 }
    const answer: RequestListener = (request, response) => {
      const isRotation = request.url?.endsWith('/rotate') === true
      response.writeHead(isRotation ? 400 : 200).end(JSON.stringify(isRotation ? { errors: ['no'] } : { data: key }))
    }
    await answering(answer, async (address) => {
      const connector = await connect(withToken(address, 'a-token'))
      await expect(connector.rotateKey('k1')).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
    })
  })
})
