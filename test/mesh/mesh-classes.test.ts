import { randomBytes } from 'node:crypto'
import { readdirSync, writeFileSync } from 'node:fs'
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
import { bytesOf, newBucket } from '../harness/s3.ts'
import { MESH_PROGRAMS, startWholeMesh, type WholeMesh } from './whole-mesh.ts'

const WAIT_MS = 60_000
const PAST = new Date(Date.UTC(2020, 0, 1))

describeWithPrograms('storage classes in a mesh', MESH_PROGRAMS, (programs) => {
  let whole: WholeMesh

  beforeAll(async () => {
    whole = await startWholeMesh('mesh-classes', programs, (directory) => {
      writeBlobsFile(directory, { STANDARD_IA: 'slow', GLACIER_IR: 'slow' })
      return { COFFER_BLOBS_FILE: blobsFileIn(directory) }
    })
  })

  afterAll(() => whole?.stop())

  it('are written by one gateway, read by another, and moved by the rotation service', async () => {
    const {
      mesh,
      clients: [one, other],
    } = whole
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
  })

  it('come to another store, though the rotation service is killed in the midst of it', async () => {
    const {
      mesh,
      directory,
      clients: [one, other],
    } = whole
    const Bucket = await newBucket(one)
    const bodies = new Map(Array.from({ length: 8 }, (_, index) => [`k${index}`, randomBytes(500_000)]))
    for (const [Key, Body] of bodies) {
      await one.send(new PutObjectCommand({ Bucket, Key, Body, StorageClass: 'STANDARD_IA' }))
    }
    const inStore = (store: string) => {
      const entries = readdirSync(join(directory, store), { recursive: true, withFileTypes: true })
      return entries.filter((entry) => entry.isFile() && entry.name !== 'coffer-store').length
    }
    const count = inStore('slow')
    // From now on no class means that store; nobody writes meanwhile.
    writeBlobsFile(directory, {})
    await mesh.groups.get('rotation')?.stop()
    await mesh.replace('rotation')
    const pace = ['--bytes-per-second', '500KiB', '--no-follow']
    const { id } = await cofferJson<Job>(mesh, ['migrate', 'blobs', '--from', 'slow', '--to', 'fast', ...pace])
    await expect.poll(() => inStore('fast'), { timeout: WAIT_MS }).toBeGreaterThan(0)
    await mesh.groups.get('rotation')?.kill('SIGKILL')
    await mesh.replace('rotation')
    const state = async () => (await cofferJson<Job>(mesh, ['job', 'show', id])).state
    await expect.poll(state, { timeout: 2 * WAIT_MS }).toBe('completed')
    expect(inStore('slow')).toBe(0)
    for (const [Key, body] of bodies) {
      const read = await bytesOf(await other.send(new GetObjectCommand({ Bucket, Key })))
      expect(read.equals(body)).toBe(true)
    }
    expect(await cofferJson(mesh, ['scrub'])).toMatchObject({ damaged: [], incomplete: [] })
    expect(inStore('fast')).toBeGreaterThanOrEqual(count)
  }, 240_000)
})

function blobsFileIn(directory: string): string {
  return join(directory, 'blobs.json')
}

/** Two stores beside the first, and which classes are where. */
function writeBlobsFile(directory: string, classes: Readonly<Record<string, string>>): void {
  const stores = { slow: { type: 'directory', path: 'slow' }, fast: { type: 'directory', path: 'fast' } }
  writeFileSync(blobsFileIn(directory), JSON.stringify({ stores, classes }))
}
