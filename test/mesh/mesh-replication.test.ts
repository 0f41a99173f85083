import { rmSync } from 'node:fs'
import { GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { cofferJson } from '../harness/coffer-command.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { bytesOf, newBucket, s3Client } from '../harness/s3.ts'
import { type CofferServer, startServer, temporaryDirectory } from '../harness/start-server.ts'
import { arnOf, ReplicationFile, replicate, ruleTo } from '../replication/two-stores.ts'
import { type MeshProcesses, startMesh } from './mesh-processes.ts'
import { type NatsServer, startNats } from './nats-server.ts'

const PATIENCE = { timeout: 60_000, interval: 100 }
const NAME = 'b-copy'

describeWithPrograms('in a mesh', ['nats-server', 'openssl'], (programs) => {
  const directory = temporaryDirectory('mesh-replication')
  const file = new ReplicationFile()
  let there: CofferServer
  let nats: NatsServer
  let mesh: MeshProcesses
  let gateways: ReturnType<typeof s3Client>[]
  beforeAll(async () => {
    there = await startServer({ workers: 1 })
    await newBucket(s3Client(there), { name: NAME, versioning: 'Enabled' })
    file.write(there, [arnOf(NAME)])
    nats = await startNats({ nats: programs['nats-server'], openssl: programs.openssl }, directory)
    mesh = await startMesh(nats, directory, { COFFER_REPLICATION_FILE: file.path })
    gateways = mesh.gateways.map((target) => s3Client(target, { maxSockets: 20 }))
  })
  afterAll(async () => {
    await mesh?.stop()
    await nats?.group.stop()
    await there?.dispose()
    rmSync(directory, { recursive: true, force: true })
  })
  const gateway = (index: number) => gateways[index % 2] as ReturnType<typeof s3Client>

  it('the rotation service replicates what any gateway has written', async () => {
    const Bucket = await newBucket(gateway(0), { versioning: 'Enabled' })
    await replicate(gateway(0), Bucket, ruleTo(NAME))
    // A gateway may go by a bucket's record of a second ago for reads; its commits are refused until it knows better.
    for (const [index, size] of [100, 300_000].entries()) {
      const Key = `through-${index}`
      const Body = Buffer.alloc(size, Key)
      await gateway(index).send(new PutObjectCommand({ Bucket, Key, Body }))
      const status = async () => (await gateway(0).send(new HeadObjectCommand({ Bucket, Key }))).ReplicationStatus
      await expect.poll(status, PATIENCE).toBe('COMPLETED')
      const got = await s3Client(there).send(new GetObjectCommand({ Bucket: NAME, Key }))
      expect((await bytesOf(got)).equals(Body)).toBe(true)
    }
  })

  it('a quota holds for all gateways together, to the byte', async () => {
    const Bucket = await newBucket(gateway(0))
    await cofferJson(mesh, ['bucket', 'quota', 'set', Bucket, '--size', '20KiB'])
    const puts = Array.from({ length: 40 }, (_, index) =>
      gateway(index).send(new PutObjectCommand({ Bucket, Key: `k-${index}`, Body: Buffer.alloc(1024) })),
    )
    const outcomes = await Promise.allSettled(puts)
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(20)
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ name: 'QuotaExceeded' })
    }
    const [usage] = await cofferJson<object[]>(mesh, ['bucket', 'usage', Bucket])
    expect(usage).toMatchObject({ versionCount: 20, sizeBytes: 20 * 1024 })
  })
})
