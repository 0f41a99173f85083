import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import type { KeyAlias, KeySettings } from '@coffer/contracts'
import { describe, expect, it } from 'vitest'
import { coffer, cofferJson } from '../harness/coffer-command.ts'
import { bytesOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite()
const s3 = s3Client(server)
const DAY_MS = 24 * 3600 * 1000

describe('names and schedules of keys from the command line', () => {
  it('aliases are made, repointed, listed and forgotten, beside a running server', async () => {
    for (const key of ['blue', 'green']) await cofferJson(server, ['key', 'create', key])
    expect(await cofferJson(server, ['key', 'alias', 'create', 'team', 'blue'])).toMatchObject([
      { alias: 'alias/team', connector: 'local', keyId: 'blue' },
    ])
    const Bucket = await newBucket(s3)
    const kms = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'alias/team' } as const
    const put = async (Key: string) =>
      (await s3.send(new PutObjectCommand({ Bucket, Key, Body: Key, ...kms }))).SSEKMSKeyId
    expect(await put('one')).toContain('blue')
    await cofferJson(server, ['key', 'alias', 'update', 'alias/team', 'green'])
    await expect.poll(() => put('two'), { timeout: 60_000 }).toContain('green')
    for (const Key of ['one', 'two']) {
      expect((await bytesOf(await s3.send(new GetObjectCommand({ Bucket, Key })))).toString()).toBe(Key)
    }
    const ofBlue = await cofferJson<KeyAlias[]>(server, ['key', 'alias', 'list', '--key', 'blue'])
    const all = await cofferJson<KeyAlias[]>(server, ['key', 'alias', 'list'])
    expect([ofBlue.length, all.map(({ alias }) => alias)]).toEqual([0, ['alias/team']])
    expect((await coffer(['key', 'describe', 'alias/team'], server.env)).stdout).toContain('aliases: alias/team')
    expect((await coffer(['key', 'alias', 'delete', 'team'], server.env)).code).toBe(0)
    for (const [words, code] of [
      [['alias', 'delete', 'team'], 'KMS_ALIAS_NOT_FOUND'],
      [['alias', 'create', 'aws/mine', 'blue'], 'KMS_ALIAS_INVALID'],
      [['alias', 'create', 'x', 'none'], 'KMS_KEY_NOT_FOUND'],
    ] as const) {
      const refused = await coffer(['key', ...words], server.env)
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining(code)])
    }
  })

  it('a rotation each so many days is set, shown and ended', async () => {
    await cofferJson(server, ['key', 'create', 'turning'])
    const set = await cofferJson<KeySettings>(server, ['key', 'schedule', 'turning', '--every-days', '90'])
    expect(Math.abs((set.rotation?.nextAt ?? 0) - Date.now() - 90 * DAY_MS)).toBeLessThan(DAY_MS)
    expect((await coffer(['key', 'describe', 'turning'], server.env)).stdout).toContain('every 90 days')
    expect(await cofferJson(server, ['key', 'schedule', 'turning', '--off'])).not.toHaveProperty('rotation')
    for (const words of [['--every-days', '89'], ['--every-days', '2561'], ['--every-days', '90', '--off'], []]) {
      expect((await coffer(['key', 'schedule', 'turning', ...words], server.env)).code).toBe(1)
    }
  })
})
