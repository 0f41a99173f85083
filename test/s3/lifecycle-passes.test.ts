import {
  type LifecycleRule,
  ListObjectsV2Command,
  PutBucketLifecycleConfigurationCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import type { LifecycleReport } from '@coffer/contracts'
import { openLmdbStore } from '@coffer/metadata-store/drivers/lmdb'
import { describe, expect, it } from 'vitest'
import { cofferJson } from '../harness/coffer-command.ts'
import { untilPassIsOver } from '../harness/lifecycle.ts'
import { newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite({ workers: 1 })
await untilPassIsOver(server)
const PAST = new Date(Date.UTC(2020, 0, 1))
const HALF_A_YEAR_MS = 183 * 86_400_000
const WAIT_MS = 60_000

async function bucketWith(Expiration: LifecycleRule['Expiration'], keys: readonly string[]): Promise<string> {
  const s3 = s3Client(server)
  const Bucket = await newBucket(s3)
  const Rules: LifecycleRule[] = [{ ID: 'r', Status: 'Enabled', Filter: { Prefix: 'old/' }, Expiration }]
  await s3.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules } }))
  for (const Key of keys) await s3.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }))
  s3.destroy()
  return Bucket
}

async function keysOf(Bucket: string): Promise<(string | undefined)[]> {
  const s3 = s3Client(server)
  const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket }))
  s3.destroy()
  return Contents.map(({ Key }) => Key)
}

describe('lifecycle rules', () => {
  it('are applied by a command beside the server; a preview changes nothing', async () => {
    const bucket = await bucketWith({ Days: 100 }, ['old/a', 'old/b', 'new'])
    const at = new Date(Date.now() + HALF_A_YEAR_MS).toISOString().slice(0, 10)
    const preview = await cofferJson<LifecycleReport>(server, ['lifecycle', 'preview', '--at', at])
    expect(preview).toMatchObject({ expired: 2, failures: [] })
    expect(await cofferJson<LifecycleReport>(server, ['lifecycle', 'run'])).toMatchObject({ expired: 0 })
    expect(await keysOf(bucket)).toEqual(['new', 'old/a', 'old/b'])
    const due = await bucketWith({ Date: PAST }, ['old/c', 'new'])
    expect(await cofferJson<LifecycleReport>(server, ['lifecycle', 'run'])).toMatchObject({ expired: 1, failures: [] })
    expect(await keysOf(due)).toEqual(['new'])
    expect(await cofferJson<LifecycleReport>(server, ['lifecycle', 'run'])).toMatchObject({ expired: 0 })
  })

  it('are applied by the server itself, in the pass of a new day', async () => {
    const bucket = await bucketWith({ Date: PAST }, ['old/a', 'new'])
    await server.stop()
    const store = await openLmdbStore({ directory: `${server.dataDir}/metadata` })
    const yesterday = { format: 1, startedAt: Date.now() - 86_400_000, hasEnded: true }
    await store.putRecord('jobs', 'lifecycle', Buffer.from(JSON.stringify(yesterday)))
    await store.close()
    await server.restart()
    await expect.poll(() => keysOf(bucket), { timeout: WAIT_MS }).toEqual(['new'])
  })
})
