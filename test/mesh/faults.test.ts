import { rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import type { Job } from '@coffer/job-queue'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { cofferJson } from '../harness/coffer-command.ts'
import { describeUnavailable, describeWithPrograms } from '../harness/find-program.ts'
import { bytesOf, failureOf, newBucket } from '../harness/s3.ts'
import { mountSmallDisk } from '../harness/small-disk.ts'
import { expectEventsOf } from './events-told.ts'
import { clockOf, FAULT_PROGRAMS, type FaultMesh, OUTSIDE_KEY, STREAM, startFaultMesh } from './fault-mesh.ts'
import { foundIn } from './found-in.ts'
import { openIssuedKeys } from './issued-keys.ts'

/** From when whatever failed is there again. */
const RECOVERY_MS_MAX = 10_000
/** Long enough for the connection to be given up, and for the next one to be stuck in its making. */
const PARTITION_MS = 10_000
/** Ten seconds of work. */
const JOB_OBJECTS = 80
const CHECKS_AT_ONCE = 16
const PATIENCE = { timeout: 60_000, interval: 300 }
/** Each the only one of its kind, but for the gateways. */
const SERVICES = ['metadata', 'kms', 'crypto', 'iam', 'rotation', 'events', 'gateway 1', 'gateway 2']
const CLOCKS: Readonly<Record<string, number>> = {
  metadata: -60,
  iam: 60,
  rotation: 60,
  'gateway 1': -60,
  'gateway 2': 60,
}

describeWithPrograms('a mesh under load keeps what it promised while', FAULT_PROGRAMS, (programs) => {
  const disk = mountSmallDisk(64 * 1024 * 1024)
  let faulty: FaultMesh
  const recoveries: Record<string, number> = {}

  beforeAll(async () => {
    faulty = await startFaultMesh(programs, disk.path)
  })
  afterAll(async () => {
    await faulty?.stop()
    disk.unmount()
    console.info(`ms until served again: ${JSON.stringify(recoveries)}; ${faulty?.load.refusedCount} refused or cut`)
  })
  /** No answer but 503 with Retry-After, and no byte that was not written. */
  afterEach(() => expect(faulty.load.wrongs).toEqual([]))

  /** Both gateways serve, soon after what had failed is there again. */
  const recovers = async (after: string): Promise<void> => {
    const tookMs = Math.round(await faulty.load.untilServed())
    recoveries[after] = tookMs
    expect(tookMs, after).toBeLessThan(RECOVERY_MS_MAX)
  }

  it.each(SERVICES.slice(0, -1))('its %s is killed and started again', async (name) => {
    await faulty.mesh.groups.get(name)?.kill('SIGKILL')
    await faulty.mesh.replace(name)
    await recovers(name)
  })

  it('NATS is killed and started again', async () => {
    await faulty.restartNats()
    await recovers('NATS')
  })

  it('PostgreSQL is killed in the middle of commits and started again', async () => {
    await faulty.postgres.kill()
    await faulty.postgres.restart()
    await recovers('PostgreSQL')
  })

  it('Redis is killed in the middle of a job and started again', async () => {
    const { mesh, redis, gateways } = faulty
    const Bucket = await newBucket(gateways[0])
    const put = (index: number) => gateways[0].send(new PutObjectCommand({ Bucket, Key: `k${index}`, Body: 'x' }))
    await Promise.all(Array.from({ length: JOB_OBJECTS }, (_, index) => put(index)))
    const limits = ['--bucket', Bucket, '--objects-per-second', '8']
    const { id } = await cofferJson<Job>(mesh, ['job', 'start', 'reencrypt', ...limits])
    const job = () => cofferJson<Job>(mesh, ['job', 'show', id]).catch(() => undefined)
    await sleep(1_500)
    await redis.kill()
    await recovers('Redis away')
    await redis.start()
    await expect.poll(async () => (await job())?.endedAt, PATIENCE).toBeDefined()
    const result = { changed: { objectCount: JOB_OBJECTS }, failedCount: 0 }
    expect(await job()).toMatchObject({ state: 'completed', result })
  })

  it('a gateway is cut off from NATS for a while', async () => {
    faulty.link.freeze()
    await sleep(PARTITION_MS)
    faulty.link.thaw()
    await recovers('partition')
  })

  it('the network forgets the connection of a gateway to NATS, and tells nobody', async () => {
    faulty.link.forget()
    await recovers('forgotten connection')
  })

  it('a KMS is slow, and then does not answer at all', async () => {
    const { gateways, buckets, load, feel } = faulty
    const direct = { Bucket: buckets.plain, ServerSideEncryption: 'aws:kms', SSEKMSKeyId: OUTSIDE_KEY } as const
    const put = (name: string) => gateways[0].send(new PutObjectCommand({ ...direct, Key: `kms/${name}`, Body: name }))
    await put('well')
    const refusedBefore = load.refusedCount
    feel('slow')
    await Promise.all(Array.from({ length: 30 }, (_, index) => put(`slow-${index}`)))
    feel('hanging')
    expect(await failureOf(put('hanging'))).toEqual({ code: 'ServiceUnavailable', status: 503 })
    // Whose keys are elsewhere is not held up.
    expect(load.refusedCount).toBe(refusedBefore)
    feel('well')
    const isServed = () => put('after').then(Boolean, () => false)
    await expect.poll(isServed, PATIENCE).toBe(true)
    const got = await gateways[0].send(new GetObjectCommand({ Bucket: buckets.plain, Key: 'kms/slow-29' }))
    expect((await bytesOf(got)).toString()).toBe('slow-29')
  })

  it('all of it is replaced one by one, by processes whose clocks are a minute apart, and nobody is refused', async () => {
    const { mesh, load } = faulty
    for (const name of SERVICES.filter((each) => !each.startsWith('gateway'))) {
      const old = mesh.groups.get(name)
      const refusedBefore = load.refusedCount
      await mesh.replace(name, clockOf(CLOCKS[name] ?? 0))
      await old?.stop()
      expect(load.refusedCount, name).toBe(refusedBefore)
    }
    // On its port there can be only one: clients go to the other meanwhile.
    for (const name of SERVICES.filter((each) => each.startsWith('gateway'))) {
      await mesh.groups.get(name)?.stop()
      await mesh.replace(name, clockOf(CLOCKS[name] ?? 0))
    }
    await recovers('all replaced')
  })

  it('clocks are a minute apart: versions keep the order in which they were acknowledged', async () => {
    const { gateways, buckets } = faulty
    const where = { Bucket: buckets.versioned, Key: 'skew' }
    const told: string[] = []
    for (let turn = 0; turn < 10; turn++) {
      const [writer, reader] = turn % 2 ? gateways : gateways.toReversed()
      const put = await writer?.send(new PutObjectCommand({ ...where, Body: `${turn}` }))
      told.unshift(String(put?.VersionId))
      const got = await reader?.send(new GetObjectCommand(where))
      expect((await bytesOf(got ?? {})).toString()).toBe(`${turn}`)
    }
    const { Versions = [] } = await gateways[0].send(new ListObjectVersionsCommand({ ...where, Prefix: 'skew' }))
    expect(Versions.map(({ VersionId }) => VersionId)).toEqual(told)
    expect(Versions.map(({ IsLatest }) => IsLatest)).toEqual(told.map((_, index) => index === 0))
  })

  const full = 'the disk of one gateway is full: it refuses, the other serves'
  if (!disk.isMounted) describeUnavailable(full, 'only root may mount a small tmpfs')
  it.runIf(disk.isMounted)(full, async () => {
    const { gateways, buckets } = faulty
    const statusAt = (gateway: S3Client) =>
      gateway.send(new HeadObjectCommand({ Bucket: buckets.plain, Key: 'probe' })).then(
        ({ $metadata }) => $metadata.httpStatusCode,
        ({ $metadata }) => $metadata?.httpStatusCode,
      )
    const filler = disk.fill()
    await expect.poll(() => statusAt(gateways[0]), PATIENCE).toBe(503)
    expect(await statusAt(gateways[1])).toBe(200)
    rmSync(filler)
    await recovers('full disk')
  })

  describe('and in the end', () => {
    beforeAll(() => faulty.load.stop())

    it('every acknowledged write is there, and its event was told', async () => {
      const { mesh, load, gateways, stream } = faulty
      const checks = [
        ...load.journal
          .keys()
          .flatMap((key) =>
            gateways.map((gateway) => ({ gateway, key, versionId: undefined, of: load.journal.allowed(key) })),
          ),
        ...load.told.map(({ key, versionId, state }) => ({ gateway: gateways[0], key, versionId, of: [state] })),
      ]
      const checker = async () => {
        for (let next = checks.pop(); next !== undefined; next = checks.pop()) {
          const { gateway, key, versionId, of } = next
          // So many at once are more than the small queue of the first gateway's audit trail takes: 503 is asked again.
          const ask = () => load.stateOf(gateway, key, versionId).catch(({ name }: Error) => name)
          let seen = await ask()
          for (; seen === 'ServiceUnavailable'; seen = await ask()) await sleep(200)
          expect(of, key).toContain(seen)
        }
      }
      await Promise.all(Array.from({ length: CHECKS_AT_ONCE }, checker))
      await expectEventsOf(load.told, { mesh, stream, name: STREAM }, PATIENCE)
      expect(load.told.length).toBeGreaterThan(50)
      expect(load.journal.acknowledgedWrites).toBeGreaterThan(100)
    })

    it('who heard all that went over NATS knows no object key', async () => {
      const { mesh, load, buckets } = faulty
      const keys = [
        ...(await openIssuedKeys(mesh, faulty.nats(), buckets.versioned)),
        ...(await openIssuedKeys(mesh, faulty.nats(), buckets.plain)),
      ]
      expect(keys.length).toBeGreaterThan(load.told.length)
      const needles = new Map<string, Buffer>()
      for (const { name, keyBytes } of keys) {
        needles.set(name, keyBytes)
        for (const form of ['hex', 'base64'] as const)
          needles.set(`${name}, ${form}`, Buffer.from(keyBytes.toString(form)))
      }
      const heard = faulty.heard()
      expect(foundIn(heard, needles)).toEqual([])
      // Sealed they were there to be heard.
      const sealed = foundIn(heard, new Map(keys.map((key) => [key.name, key.sealed])))
      expect(sealed.length).toBeGreaterThan(keys.length / 2)
    })
  })
})
