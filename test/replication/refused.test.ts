import { HeadObjectCommand, PutObjectCommand, type ReplicationRule } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newBucket, s3Client } from '../harness/s3.ts'
import type { CofferServer } from '../harness/start-server.ts'
import { arnOf, ReplicationFile, replicate, ruleTo, startStore } from './two-stores.ts'

const PATIENCE = { timeout: 60_000, interval: 100 }
const VERSIONED = { versioning: 'Enabled' } as const
const NAME = 'b-copy'
const ATTEMPTS_MAX = 100
/** More than are looked at together. */
const REFUSED_COUNT = 560
const LANES = 16

describe('what a destination refuses', () => {
  const files = { here: new ReplicationFile(), there: new ReplicationFile() }
  let here: CofferServer
  let there: CofferServer
  beforeAll(async () => {
    there = await startStore(files.there)
    // None of them has failed for good while this goes on.
    files.here.write(there, [arnOf(NAME)], { attemptsMax: ATTEMPTS_MAX })
    here = await startStore(files.here)
    await newBucket(s3Client(there), { name: NAME, ...VERSIONED })
  })
  afterAll(async () => {
    await here?.dispose()
    await there?.dispose()
  })

  it('holds up nothing else, however much of it a writer makes', async () => {
    const source = s3Client(here, { maxSockets: LANES })
    const Bucket = await newBucket(source, VERSIONED)
    // Nobody's account: the destination refuses each of these.
    const refused: Partial<ReplicationRule> = {
      ...{ ID: 'refused', Priority: 2, Filter: { Prefix: 'refused/' } },
      Destination: { Bucket: arnOf(NAME), Account: '999999999999' },
    }
    await replicate(source, Bucket, ruleTo(NAME), ruleTo(NAME, refused))
    const put = (Key: string) => source.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }))
    const statusOf = async (Key: string) =>
      (await source.send(new HeadObjectCommand({ Bucket, Key }))).ReplicationStatus
    const write = async (lane: number) => {
      for (let index = lane; index < REFUSED_COUNT; index += LANES) await put(`refused/${index}`)
    }
    await Promise.all(Array.from({ length: LANES }, (_, lane) => write(lane)))
    await put('good')
    await expect.poll(() => statusOf('good'), PATIENCE).toBe('COMPLETED')
    expect(await statusOf('refused/0')).toBe('PENDING')
  })
})
