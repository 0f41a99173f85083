import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import type { KeyUse, RewrapReport } from '@coffer/contracts'
import { describe, expect, it } from 'vitest'
import { coffer, cofferJson } from '../harness/coffer-command.ts'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

/** What a worker knows of a key it may rely on for 2 s (services/crypto, LEASE_MS), and a little. */
const LEASE_MS = 2_500
/** More than sockets and read-ahead hold, so that most of it is read and opened after the key is gone. */
const LARGE_BYTES = 64 * 2 ** 20
const OBJECTS = 200
const AT_ONCE = 20

const server = await serverForSuite()
const s3 = s3Client(server)
const key = <Answer = unknown>(...words: string[]) => cofferJson<Answer>(server, ['key', ...words])
const under = (SSEKMSKeyId: string, BucketKeyEnabled = false) =>
  ({ ServerSideEncryption: 'aws:kms', SSEKMSKeyId, BucketKeyEnabled }) as const

describe('a key that is taken away in the middle of a download', () => {
  it('lets it end whole, and the next one is refused, with a bucket key and without', async () => {
    const [Bucket, body] = [await newBucket(s3), randomBytes(LARGE_BYTES)]
    await key('create', 'leaving')
    const names = [false, true].map((bucketKey) => ({
      bucketKey,
      large: `large-${bucketKey}`,
      small: `small-${bucketKey}`,
    }))
    for (const { bucketKey, large, small } of names) {
      const sealing = under('leaving', bucketKey)
      await s3.send(new PutObjectCommand({ Bucket, Key: large, Body: body, ...sealing }))
      await s3.send(new PutObjectCommand({ Bucket, Key: small, Body: 'x', ...sealing }))
    }
    const get = (Key: string) => s3.send(new GetObjectCommand({ Bucket, Key }))
    const begun = await Promise.all(names.map(({ large }) => get(large)))
    await key('disable', 'leaving', '--yes')
    await sleep(LEASE_MS)
    for (const { large, small } of names) {
      for (const Key of [large, small]) {
        expect(await failureOf(get(Key)), Key).toEqual({ code: 'KMS.DisabledException', status: 400 })
      }
    }
    for (const download of begun) expect((await bytesOf(download)).equals(body)).toBe(true)
    await key('enable', 'leaving')
    await sleep(LEASE_MS)
    for (const { small } of names) expect((await bytesOf(await get(small))).toString()).toBe('x')
  })
})

describe('a deletion of a key while a rewrap runs', () => {
  async function filled(name: string): Promise<{ Bucket: string; keys: string[] }> {
    const Bucket = await newBucket(s3)
    const keys = Array.from({ length: OBJECTS }, (_, index) => `k${index}`)
    const put = (Key: string) => s3.send(new PutObjectCommand({ Bucket, Key, Body: Key, ...under(name) }))
    for (let at = 0; at < OBJECTS; at += AT_ONCE) await Promise.all(keys.slice(at, at + AT_ONCE).map(put))
    return { Bucket, keys }
  }
  async function expectWhole(Bucket: string, keys: readonly string[]): Promise<void> {
    const read = async (Key: string) => (await bytesOf(await s3.send(new GetObjectCommand({ Bucket, Key })))).toString()
    for (let at = 0; at < keys.length; at += AT_ONCE) {
      const some = keys.slice(at, at + AT_ONCE)
      expect(await Promise.all(some.map(read))).toEqual(some)
    }
  }
  const needsOf = async (name: string) => (await key<KeyUse>('usage', name)).versions

  it('is refused until the rewrap has brought everything under another key, and then loses nothing', async () => {
    for (const name of ['going', 'staying']) await key('create', name)
    const { Bucket, keys } = await filled('going')
    let isDone = false
    const rewrapping = key<RewrapReport>('rewrap', 'going', '--to', 'staying').finally(() => {
      isDone = true
    })
    const refusals: string[] = []
    for (;;) {
      const wasDone = isDone
      const { code, stderr } = await coffer(['key', 'delete', 'going'], server.env)
      if (code === 0) break
      refusals.push(stderr)
      expect(stderr).toContain('KMS_KEY_IN_USE')
      expect(wasDone, 'refused although nothing needs it').toBe(false)
    }
    expect(await needsOf('going')).toEqual([])
    expect((await rewrapping).failures).toEqual([])
    await sleep(LEASE_MS)
    await expectWhole(Bucket, keys)
  })

  it('under its own newest version is refused, whatever the moment', async () => {
    await key('create', 'turning')
    const { Bucket, keys } = await filled('turning')
    await key('rotate', 'turning')
    const deletions = Array.from({ length: 2 }, async (_, index) => {
      await sleep(index * 400)
      return coffer(['key', 'delete', 'turning'], server.env)
    })
    const [report, ...refused] = await Promise.all([key<RewrapReport>('rewrap', 'turning'), ...deletions])
    expect(report).toMatchObject({ directObjectCount: OBJECTS, failures: [] })
    for (const { code, stderr } of refused)
      expect([code, stderr]).toEqual([1, expect.stringContaining('KMS_KEY_IN_USE')])
    expect(await needsOf('turning')).toMatchObject([{ version: 2, objectCount: OBJECTS }])
    await expectWhole(Bucket, keys)
  })

  it('and while clients write under it: what was acknowledged is read again, at the latest when the deletion is cancelled', async () => {
    for (const name of ['contested', 'refuge']) await key('create', name)
    const Bucket = await newBucket(s3)
    const acknowledged: string[] = []
    let isOver = false
    const writing = Array.from({ length: 4 }, async (_, writer) => {
      for (let count = 0; !isOver; count++) {
        const Key = `w${writer}-${count}`
        const put = s3.send(new PutObjectCommand({ Bucket, Key, Body: Key, ...under('contested') }))
        const isIn = await put.then(
          () => true,
          (error: Error) => {
            expect(['KMS.KMSInvalidStateException', 'KMS.DisabledException']).toContain(error.name)
            return false
          },
        )
        if (!isIn) return
        acknowledged.push(Key)
      }
    })
    await expect.poll(() => acknowledged.length).toBeGreaterThan(20)
    for (let round = 0; round < 3; round++) {
      const rewrap = coffer(['key', 'rewrap', 'contested', '--to', 'refuge'], server.env)
      const { code } = await coffer(['key', 'delete', 'contested'], server.env)
      await rewrap
      if (code === 0) break
    }
    isOver = true
    await Promise.all(writing)
    await coffer(['key', 'cancel-deletion', 'contested'], server.env)
    await coffer(['key', 'enable', 'contested'], server.env)
    await sleep(LEASE_MS)
    await expectWhole(Bucket, acknowledged)
  })
})
