import { rmSync } from 'node:fs'
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeUnavailable, describeWithPrograms } from '../harness/find-program.ts'
import { bytesOf } from '../harness/s3.ts'
import { REPOSITORY, temporaryDirectory } from '../harness/start-server.ts'
import { FAULT_PROGRAMS, type FaultMesh, OUTSIDE_KEY, STREAM, startFaultMesh } from './fault-mesh.ts'
import { hasOlderVersion, installOlderVersion } from './older-version.ts'

/** Those that are called come before those that call them: docs/mesh.md, "Upgrades". */
const SERVICES = ['metadata', 'kms', 'crypto', 'iam', 'events', 'rotation']
const GATEWAYS = ['gateway 1', 'gateway 2']
const PATIENCE = { timeout: 60_000, interval: 300 }

const title = 'a mesh under load whose processes are replaced one by one by those of a newer version'
if (!hasOlderVersion()) {
  describeUnavailable(title, 'the older version is not in this clone: git fetch --unshallow')
} else {
  describeWithPrograms(title, [...FAULT_PROGRAMS, 'git'], (programs) => {
    const auditDirectory = temporaryDirectory('upgrade-audit')
    let older: Awaited<ReturnType<typeof installOlderVersion>>
    let faulty: FaultMesh

    beforeAll(async () => {
      older = await installOlderVersion()
      faulty = await startFaultMesh(programs, auditDirectory, { repository: older.path })
    })
    afterAll(async () => {
      await faulty?.stop()
      older?.remove()
      rmSync(auditDirectory, { recursive: true, force: true })
    })

    it('refuses nobody, and gives back what either version has stored', async () => {
      const { mesh, load, gateways, buckets } = faulty
      const outside = { Bucket: buckets.plain, ServerSideEncryption: 'aws:kms', SSEKMSKeyId: OUTSIDE_KEY } as const
      await gateways[0].send(new PutObjectCommand({ ...outside, Key: 'kept/older', Body: 'older' }))
      for (const name of SERVICES) {
        const old = mesh.groups.get(name)
        const refusedBefore = load.refusedCount
        if (name === 'kms') faulty.useConnectorOf(REPOSITORY)
        await mesh.replace(name)
        await old?.stop()
        expect(load.refusedCount, name).toBe(refusedBefore)
      }
      // Newer services, older gateways.
      await gateways[1].send(new PutObjectCommand({ ...outside, Key: 'kept/between', Body: 'between' }))
      for (const name of GATEWAYS) {
        await mesh.groups.get(name)?.stop()
        await mesh.replace(name)
      }
      await load.untilServed()
      for (const body of ['older', 'between']) {
        const got = await gateways[0].send(new GetObjectCommand({ Bucket: buckets.plain, Key: `kept/${body}` }))
        expect((await bytesOf(got)).toString()).toBe(body)
      }
      await load.stop()
      expect(load.wrongs).toEqual([])
    })

    it('loses no acknowledged write and no event', async () => {
      const { load, gateways, stream } = faulty
      for (const key of load.journal.keys()) {
        expect(load.journal.allowed(key), key).toContain(await load.stateOf(gateways[0], key))
      }
      for (const { key, versionId, state } of load.told) {
        expect(await load.stateOf(gateways[1], key, versionId), key).toBe(state)
      }
      expect(load.told.length).toBeGreaterThan(20)
      const untold = async () => {
        const events = (await stream.messages(STREAM)).map(({ body }) => body).join('\n')
        return load.told.filter(({ versionId }) => !events.includes(versionId))
      }
      await expect.poll(untold, PATIENCE).toEqual([])
    })
  })
}
