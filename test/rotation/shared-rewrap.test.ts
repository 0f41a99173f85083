import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import type { KeyUse, LocatedKey, RewrapReport } from '@coffer/contracts'
import type { Job } from '@coffer/job-queue'
import { describe, expect, it, vi } from 'vitest'
import { coffer, cofferJson } from '../harness/coffer-command.ts'
import { loadObjects } from '../harness/load-objects.ts'
import { bytesOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

/** Each command starts a process, which takes seconds on a busy machine. */
vi.setConfig({ testTimeout: 240_000 })
const WAIT_MS_MAX = 200_000
const POLL_MS = 20
const OBJECTS = 30_000

const rootKey = randomBytes(32)
const server = await serverForSuite({ env: { COFFER_ROOT_KEY: rootKey.toString('base64') } })
const s3 = s3Client(server)

describe('a rewrap of many objects', () => {
  it('is shared among processes of which any may be killed, and tells bucket keys and single objects apart', async () => {
    await cofferJson(server, ['key', 'create', 'many'])
    const bucket = await newBucket(s3)
    const load = { dataDirectory: server.dataDir, rootKey, bucket, masterKey: 'many' }
    await loadObjects({ ...load, bucketKeyEnabled: false, objectCount: OBJECTS })
    const sealing = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'many', BucketKeyEnabled: true } as const
    for (const Key of ['a', 'b']) await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: Key, ...sealing }))
    await cofferJson<LocatedKey>(server, ['key', 'rotate', 'many'])
    const apart = { bucketKeyCount: 1, objectCount: 2, directObjectCount: OBJECTS }
    expect(await cofferJson<RewrapReport>(server, ['key', 'rewrap', 'many', '--dry-run'])).toMatchObject(apart)

    const { id } = await cofferJson<Job>(server, ['job', 'start', 'rewrap', 'many'])
    // Where there is one core, the job has no helper.
    for (const program of availableParallelism() > 1 ? ['rewrap-main', 'job-main'] : ['job-main']) {
      const pid = await until(() => processOf(program))
      process.kill(pid, 'SIGKILL')
      expect((await show(id)).endedAt).toBeUndefined()
    }
    const ended = await until(async () => {
      const job = await show(id)
      return job.endedAt === undefined ? undefined : job
    })
    expect(ended).toMatchObject({ state: 'completed', result: { failures: [] } })
    expect((await coffer(['job', 'show', id], server.env)).stdout).toContain('without a bucket key')
    await expectAllUnder(2)

    await cofferJson<LocatedKey>(server, ['key', 'rotate', 'many'])
    const command = cofferJson<RewrapReport>(server, ['key', 'rewrap', 'many'])
    // The command shares it too, and one of its helpers that dies takes nothing with it.
    if (availableParallelism() > 1) process.kill(await until(() => processOf('rewrap-main', 'key\0rewrap')), 'SIGKILL')
    expect(await command).toMatchObject({ ...apart, failures: [] })
    await expectAllUnder(3)
    for (const Key of ['a', 'object-000000000', `object-${String(OBJECTS - 1).padStart(9, '0')}`]) {
      const got = await bytesOf(await s3.send(new GetObjectCommand({ Bucket: bucket, Key })))
      expect(got.equals(Key === 'a' ? Buffer.from('a') : Buffer.alloc(16, 1))).toBe(true)
    }
  })
})

async function expectAllUnder(version: number): Promise<void> {
  const { versions } = await cofferJson<KeyUse>(server, ['key', 'usage', 'many'])
  expect(versions.map((use) => [use.version, use.objectCount])).toEqual([[version, OBJECTS + 2]])
}

const show = (id: string) => cofferJson<Job>(server, ['job', 'show', id])

async function until<Found>(look: () => Promise<Found | undefined> | Found | undefined): Promise<Found> {
  for (const deadline = Date.now() + WAIT_MS_MAX; Date.now() < deadline; await sleep(POLL_MS)) {
    const found = await look()
    if (found !== undefined) return found
  }
  throw new Error(`it did not come to that\n${server.logs()}`)
}

/** A process on this server's data that runs this program, and was started by that one. Source: proc(5). */
function processOf(program: string, parent = ''): number | undefined {
  const ids = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))
  const found = ids.find((id) => {
    try {
      const isOurs = readFileSync(`/proc/${id}/environ`, 'utf8').includes(server.dataDir)
      if (!isOurs || !commandOf(id).includes(program)) return false
      const [, parentId = ''] = /^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${id}/status`, 'utf8')) ?? []
      return commandOf(parentId).includes(parent)
    } catch {
      return false
    }
  })
  return found === undefined ? undefined : Number(found)
}

/** Its words, each ended by a zero byte. */
function commandOf(id: string): string {
  return readFileSync(`/proc/${id}/cmdline`, 'utf8')
}
