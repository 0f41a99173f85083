import {
  CreateAliasCommand,
  CreateKeyCommand,
  DeleteAliasCommand,
  type KMSClient,
  ListAliasesCommand,
  ListKeysCommand,
  ScheduleKeyDeletionCommand,
} from '@aws-sdk/client-kms'
import { describe, expect, it } from 'vitest'
import { coffer, cofferJson } from '../harness/coffer-command.ts'
import { serverForSuite } from '../harness/start-server.ts'
import { callKms, kmsClient } from './kms-client.ts'
import { newTenant, outcomeOf } from './tenants.ts'

/** Two workers: what one counts, the other counts on. */
const server = await serverForSuite({ workers: 2 })
const first = kmsClient(server)
const [blue, red] = [await newTenant(server, 'blue'), await newTenant(server, 'red')]
const LIMIT = 'LimitExceededException'

const newKey = async (client: KMSClient) => (await client.send(new CreateKeyCommand({}))).KeyMetadata?.KeyId ?? ''
const newAlias = (client: KMSClient, name: string, TargetKeyId: string) =>
  client.send(new CreateAliasCommand({ AliasName: `alias/${name}`, TargetKeyId }))
const quota = (...args: string[]) => cofferJson<object>(server, ['account', 'quota', ...args])
const outcomesOf = async (requests: readonly Promise<unknown>[]) => {
  const outcomes = await Promise.all(requests.map(outcomeOf))
  return {
    done: outcomes.filter((outcome) => outcome === 'done').length,
    refused: new Set(outcomes.filter((one) => one !== 'done')),
  }
}
/** All pages of `limit`. */
const keysOf = async (client: KMSClient, Limit: number) => {
  const pages: string[][] = []
  for (let Marker: string | undefined; ; ) {
    const { Keys = [], NextMarker, Truncated } = await client.send(new ListKeysCommand({ Limit, Marker }))
    pages.push(Keys.map(({ KeyId = '' }) => KeyId))
    if (!Truncated) return pages
    Marker = NextMarker
  }
}
const aliasesOf = async (client: KMSClient, KeyId: string | undefined, Limit: number) => {
  const pages: string[][] = []
  for (let Marker: string | undefined; ; ) {
    const answer = await client.send(new ListAliasesCommand({ KeyId, Limit, Marker }))
    pages.push((answer.Aliases ?? []).map(({ AliasName = '' }) => AliasName))
    if (!answer.Truncated) return pages
    Marker = answer.NextMarker
  }
}

describe('the quota of an account’s keys', () => {
  it('holds exactly for all that are asked for at once, and for the operator', async () => {
    expect(await quota('set', 'blue', '--keys', '3', '--aliases', '2')).toMatchObject({
      quota: null,
      keyQuota: { keyCountMax: 3, aliasCountMax: 2 },
    })
    const made = await outcomesOf(Array.from({ length: 9 }, () => newKey(blue.kms)))
    expect(made).toEqual({ done: 3, refused: new Set([LIMIT]) })
    const refusal = await callKms({ ...server, ...blue.keys }, 'CreateKey', {})
    expect(refusal).toMatchObject({ status: 400, type: LIMIT, message: expect.stringContaining('3') })
    const operators = await coffer(['key', 'create', 'for-blue', '--account', 'blue'], server.env)
    expect([operators.code, operators.stderr]).toEqual([1, expect.stringContaining('KMS_QUOTA_EXCEEDED')])
    const [[keyId = ''] = []] = await keysOf(blue.kms, 100)
    const aliases = await outcomesOf(Array.from({ length: 6 }, (_, i) => newAlias(blue.kms, `a${i}`, keyId)))
    expect(aliases).toEqual({ done: 2, refused: new Set([LIMIT]) })
    const [usage] = await cofferJson<object[]>(server, ['account', 'usage', 'blue'])
    expect(usage).toMatchObject({ keyCount: 3, aliasCount: 2, keyQuota: { keyCountMax: 3, aliasCountMax: 2 } })
    expect((await coffer(['account', 'usage', 'blue'], server.env)).stdout).toMatch(/3 of 3\s*│\s*2 of 2/)
  })

  it('is nobody else’s: another tenant and the first account make theirs', async () => {
    for (const client of [red.kms, first]) await newAlias(client, 'mine', await newKey(client))
  })

  it('is not outwitted by a deletion that can be cancelled, and gives room with an alias that goes', async () => {
    const [[keyId = ''] = []] = await keysOf(blue.kms, 100)
    const [[alias = ''] = []] = await aliasesOf(blue.kms, undefined, 50)
    await blue.kms.send(new DeleteAliasCommand({ AliasName: alias }))
    await newAlias(blue.kms, 'again', keyId)
    await blue.kms.send(new ScheduleKeyDeletionCommand({ KeyId: keyId, PendingWindowInDays: 7 }))
    expect(await outcomeOf(newKey(blue.kms))).toBe(LIMIT)
  })

  it('is beside that of bytes, and what is so by default when it is removed', async () => {
    await quota('set', 'blue', '--size', '1GiB')
    expect(await quota('show', 'blue')).toMatchObject({
      quota: { sizeBytesMax: 2 ** 30 },
      keyQuota: { keyCountMax: 3 },
    })
    const shown = await coffer(['account', 'quota', 'show', 'blue'], server.env)
    expect(shown.stdout).toContain('1.0 GiB; of keys: 3 master keys, 2 aliases')
    expect(await quota('remove', 'blue')).toMatchObject({ quota: null, keyQuota: { keyCountMax: 10_000 } })
    await newKey(blue.kms)
    const ofBucket = await coffer(['bucket', 'quota', 'set', 'x', '--keys', '1'], server.env)
    expect(ofBucket.stderr).toContain('unknown option')
  })
})

describe('lists of keys and aliases', () => {
  it('come page by page, each once, and are of nobody else', async () => {
    const ids = new Set(await Promise.all(Array.from({ length: 7 }, () => newKey(red.kms))))
    const pages = await keysOf(red.kms, 3)
    expect(pages.map(({ length }) => length)).toEqual([3, 3, 2])
    const all = pages.flat()
    expect(new Set(all).size).toBe(8)
    expect(all.filter((id) => ids.has(id))).toHaveLength(7)
    const [target = '', other = ''] = ids
    for (const name of ['c', 'a', 'b']) await newAlias(red.kms, name, target)
    await newAlias(red.kms, 'bb', other)
    expect(await aliasesOf(red.kms, target, 2)).toEqual([['alias/a', 'alias/b'], ['alias/c']])
    expect(await aliasesOf(red.kms, undefined, 2)).toEqual([
      ['alias/a', 'alias/b'],
      ['alias/bb', 'alias/c'],
      ['alias/mine'],
    ])
    const firsts = (await keysOf(first, 1)).flat()
    expect(firsts).toContain('coffer')
    expect(firsts.filter((id) => all.includes(id))).toEqual([])
  })

  it('begin after no name that is none, and tell nothing of another account by a marker that names its keys', async () => {
    const [[redKey = ''] = []] = await keysOf(red.kms, 100)
    const marker = (after: string) => Buffer.from(after).toString('base64url')
    for (const after of ['local/a\0b', '\0', `local/${redKey}\0`]) {
      const Marker = marker(after)
      expect(await outcomeOf(blue.kms.send(new ListKeysCommand({ Marker })))).toBe('InvalidMarkerException')
      expect(await outcomeOf(blue.kms.send(new ListAliasesCommand({ Marker })))).toBe('InvalidMarkerException')
    }
    const blues = (await keysOf(blue.kms, 100)).flat()
    const forged = [`local/${redKey}`, `../${red.accountId}/local/`, `account-key/${red.accountId}/local/`, 'local/']
    for (const after of forged) {
      const { Keys = [] } = await blue.kms.send(new ListKeysCommand({ Marker: marker(after) }))
      expect(Keys.filter(({ KeyId = '' }) => !blues.includes(KeyId))).toEqual([])
      const { Aliases = [] } = await blue.kms.send(new ListAliasesCommand({ Marker: marker(after) }))
      expect(Aliases.filter(({ TargetKeyId = '' }) => !blues.includes(TargetKeyId))).toEqual([])
    }
  })
})
