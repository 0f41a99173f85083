import type { RequestListener } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { vaultConnector } from '@coffer/kms/connectors/vault'
import { kmsConnectorContract } from '@coffer/kms/contract'
import { MemoryRecords } from '@coffer/kms/testing'
import { afterAll, describe, expect, it } from 'vitest'
import { describeWithPrograms } from '../harness/find-program.ts'
import { freePort } from '../harness/free-port.ts'
import { type Bao, startBao } from './bao.ts'
import { misbehavingService } from './cloud-failures.ts'
import { FaultyProxy } from './faulty-proxy.ts'
import { answering, POLICY, vaultWorkbench } from './vault-connect.ts'

const { connect, fileWith, withToken, dispose } = vaultWorkbench()
afterAll(dispose)
let count = 0

describeWithPrograms('the vault connector against OpenBao', ['bao'], (programs) => {
  let bao: Bao | undefined
  const server = async (): Promise<Bao> => {
    bao ??= await startBao(programs.bao)
    return bao
  }
  afterAll(() => bao?.stop())

  kmsConnectorContract('the vault connector', async () => {
    const { address, rootToken } = await server()
    // Only what a fixture makes has its prefix.
    const settings = { ...withToken(address, rootToken), keyPrefix: `t${count++}-` }
    const records = new MemoryRecords()
    const [connector, another] = [await connect(settings, records), await connect(settings, records)]
    const dispose = async () => {
      await connector.close()
      await another.close()
    }
    return { connector, another, dispose }
  })

  let proxy: FaultyProxy | undefined
  afterAll(() => proxy?.stop())
  misbehavingService(async () => {
    const { address, rootToken } = await server()
    proxy ??= await FaultyProxy.before(address)
    const settings = { ...withToken(proxy.address, rootToken), keyPrefix: `t${count++}-` }
    const records = new MemoryRecords()
    return { connect: (timeoutMs) => connect({ ...settings, timeoutMs }, records), server: proxy }
  })

  describe('logs in', () => {
    it('by AppRole, with the least policy, and anew when its token has been revoked or is over', async () => {
      const { address, api } = await server()
      await api('POST', 'sys/auth/approle', { type: 'approle' })
      await api('POST', 'sys/policies/acl/coffer', { policy: POLICY })
      const life = { token_policies: 'coffer', token_ttl: '2s', token_max_ttl: '4s' }
      await api('POST', 'auth/approle/role/coffer', life)
      const role = (await api('GET', 'auth/approle/role/coffer/role-id')).data.data as { role_id: string }
      const secret = (await api('POST', 'auth/approle/role/coffer/secret-id', {})).data.data as { secret_id: string }
      const auth = { method: 'approle', roleId: role.role_id, secretIdFile: fileWith(secret.secret_id) }
      const connector = await connect({ address, auth })
      await connector.createKey('role')
      const { plaintext, wrapped } = await connector.generateDataKey('role', { a: 'b' })
      for (const pauseMs of [1_200, 1_200, 2_500, 4_500]) {
        await sleep(pauseMs)
        expect((await connector.decrypt(wrapped, { a: 'b' })).equals(plaintext)).toBe(true)
      }
      await connector.rotateKey('role')
      expect(await connector.rewrap(wrapped, { a: 'b' }, 'role')).toMatchObject({ keyVersion: 2 })
      await connector.selfTest()
      await connector.close()
    })

    it('with a wrong token or secret not at all, and says so without it', async () => {
      const { address } = await server()
      const approle = { method: 'approle', roleId: 'nobody', secretIdFile: fileWith('very-secret-id') }
      for (const settings of [withToken(address, 'very-secret-token'), { address, auth: approle }]) {
        const connector = await connect(settings)
        const error = await connector.describeKey('k1').catch((reason: unknown) => reason)
        expect(error).toMatchObject({ code: 'KMS_ACCESS_DENIED' })
        expect(textsOf(error)).not.toContain('very-secret')
        await connector.close()
      }
    })
  })

  it('leaves keys of others alone', async () => {
    const { address, rootToken, api } = await server()
    await api('POST', 'transit/keys/someone-elses', {})
    const connector = await connect({ ...withToken(address, rootToken), keyPrefix: `t${count++}-` })
    expect(await connector.listKeys({ afterKeyId: '', limit: 10 })).toEqual([])
    await expect(connector.describeKey('../someone-elses')).rejects.toMatchObject({ code: 'KMS_KEY_ID_INVALID' })
    await connector.close()
  })
})

describe('the vault connector and a server that is not well', () => {
  it.each([
    [500, '{"errors":["secret-in-an-answer"]}'],
    [503, ''],
    [429, '{}'],
    [200, 'secret-in-an-answer'],
    [200, '{"data":{"plaintext":"secret-in-an-answer"}}'],
    [200, '[]'],
  ])('(%i %s) is unavailable, and nothing of its answer is told', async (status, body) => {
    const answer: RequestListener = (_, response) => response.writeHead(status).end(body)
    await answering(answer, async (address) => {
      const connector = await connect(withToken(address, 't'))
      const error = await connector.generateDataKey('k1', {}).catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'KMS_UNAVAILABLE' })
      expect(textsOf(error)).not.toContain('secret-in-an-answer')
      await connector.close()
    })
  })

  it('is given up after the time-out, and at once where nobody listens', async () => {
    let asked = 0
    const never: RequestListener = () => void asked++
    await answering(never, async (address) => {
      const connector = await connect({ ...withToken(address, 't'), timeoutMs: 200 })
      await expect(connector.selfTest()).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
      // Not tried again: so it is over after one time-out. None where the request was given up on its way.
      expect(asked).toBeLessThanOrEqual(1)
      await connector.close()
    })
    const connector = await connect(withToken(`http://127.0.0.1:${await freePort()}`, 't'))
    await expect(connector.selfTest()).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
    await connector.close()
  })

  it.each([
    [{ address: 'http://vault.example.org', auth: { method: 'token', tokenFile: 'x' } }, 'https'],
    [{ address: 'https://vault.example.org', auth: { method: 'password' } }, 'method'],
    [{ address: 'https://vault.example.org', auth: { method: 'cert' } }, 'certFile'],
    [{ address: 'https://vault.example.org', tokn: 1, auth: { method: 'token' } }, 'tokn'],
  ])('is never asked with the options %j', (settings, word) => {
    const parsed = vaultConnector.options.safeParse(settings)
    expect(parsed.success).toBe(false)
    expect(JSON.stringify(parsed.error?.issues)).toContain(word)
  })
})

/** Everything that an error could tell. */
function textsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return [error.message, error.stack, JSON.stringify(error), textsOf(error.cause)].join('\n')
}
