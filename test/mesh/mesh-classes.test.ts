import { randomBytes } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  GetObjectCommand,
  type LifecycleRule,
  ListObjectsV2Command,
  PutBucketLifecycleConfigurationCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import type { LifecycleReport } from '@coffer/contracts'
import type { Job } from '@coffer/job-queue'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { cofferJson } from '../harness/coffer-command.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { untilPassIsOver } from '../harness/lifecycle.ts'
import { bytesOf, newBucket, s3Client } from '../harness/s3.ts'
import { temporaryDirectory } from '../harness/start-server.ts'
import { type MeshProcesses, startMesh } from './mesh-processes.ts'
import { type NatsServer, startNats } from './nats-server.ts'

const WAIT_MS = 60_000
const PAST = new Date(Date.UTC(2020, 0, 1))

describeWithPrograms('storage classes in a mesh', ['nats-server', 'openssl'], (programs) => {
  const directory = temporaryDirectory('mesh-classes')
  const blobsFile = join(directory, 'blobs.json')
  let nats: NatsServer
  let mesh: MeshProcesses

  beforeAll(async () => {
    const stores = { slow: { type: 'directory', path: 'slow' } }
    writeFileSync(blobsFile, JSON.stringify({ stores, classes: { STANDARD_IA: 'slow', GLACIER_IR: 'slow' } }))
    nats = await startNats({ nats: programs['nats-server'], openssl: programs.openssl }, directory)
    mesh = await startMesh(nats, directory, { COFFER_BLOBS_FILE: blobsFile })
  }, 180_000)

  afterAll(async () => {
    await mesh?.stop()
    await nats?.group.stop()
    rmSync(directory, { recursive: true, force: true })
  }, 60_000)

  it('are written by one gateway, read by another, and moved by the rotation service', async () => {
    const [one, other] = mesh.gateways.map((gateway) => s3Client(gateway))
    if (one === undefined || other === undefined) throw new Error('two gateways are needed')
    const Bucket = await newBucket(one)
    const bodies = new Map<string, Buffer>()
    for (const [Key, StorageClass] of [
      ['a', 'STANDARD_IA'],
      ['b', 'STANDARD'],
    ] as const) {
      const Body = randomBytes(400_000)
      bodies.set(Key, Body)
      await one.send(new PutObjectCommand({ Bucket, Key, Body, StorageClass }))
    }
    const classes = async () => {
      const { Contents = [] } = await other.send(new ListObjectsV2Command({ Bucket }))
      return Contents.map(({ Key, StorageClass }) => `${Key} ${StorageClass}`)
    }
    const assertReadable = async () => {
      for (const [Key, body] of bodies) {
        const read = await bytesOf(await other.send(new GetObjectCommand({ Bucket, Key })))
        expect(read.equals(body)).toBe(true)
      }
    }
    expect(await classes()).toEqual(['a STANDARD_IA', 'b STANDARD'])
    await assertReadable()
    await untilPassIsOver(mesh)
    const Transitions: LifecycleRule['Transitions'] = [{ Date: PAST, StorageClass: 'GLACIER_IR' }]
    const Rules: LifecycleRule[] = [{ ID: 'r', Status: 'Enabled', Filter: {}, Transitions }]
    await one.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules } }))
    expect(await cofferJson<LifecycleReport>(mesh, ['lifecycle', 'run'])).toMatchObject({ transitionsDue: 2 })
    const states = async () => (await cofferJson<Job[]>(mesh, ['job', 'list'])).map(({ kind, state }) => [kind, state])
    await expect.poll(states, { timeout: WAIT_MS }).toEqual([['transition', 'completed']])
    expect(await classes()).toEqual(['a GLACIER_IR', 'b GLACIER_IR'])
    await assertReadable()
    // What only one of the processes can't find would be told here.
    expect(await cofferJson(mesh, ['scrub'])).toMatchObject({ damaged: [], orphansRemoved: 0 })
    one.destroy()
    other.destroy()
  }, 120_000)
})
