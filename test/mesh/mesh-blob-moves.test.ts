import { randomBytes } from 'node:crypto'
import { readdirSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import type { JobProgress } from '@coffer/contracts'
import type { Job } from '@coffer/job-queue'
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest'
import { type ProviderProxy, startProviderProxy } from '../blobs/provider-proxy.ts'
import { endpointOf, newBucketAt, storeAt } from '../blobs/s3-endpoint.ts'
import { coffer, cofferJson } from '../harness/coffer-command.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { bytesOf, newBucket, s3Client } from '../harness/s3.ts'
import { type CofferServer, startServer } from '../harness/start-server.ts'
import { LoadUnderFaults } from './load-under-faults.ts'
import { MESH_PROGRAMS, startWholeMesh, type WholeMesh } from './whole-mesh.ts'

const MIB = 1024 * 1024
const OBJECTS = 12
const OBJECT_BYTES = 500_000
/** More than any object of the load has. */
const OF_THE_MOVE_BYTES = 400_000
const PATIENCE = { timeout: 120_000, interval: 200 }

vi.setConfig({ testTimeout: 300_000, hookTimeout: 240_000 })

type Moved = Job & { readonly result?: JobProgress & { readonly left: object } }

describeWithPrograms('the object data of a mesh, moved to an S3 endpoint under load', MESH_PROGRAMS, (programs) => {
  let provider: CofferServer
  let proxy: ProviderProxy
  let place: string
  let cloud: object
  let whole: WholeMesh
  let load: LoadUnderFaults
  let Bucket: string
  let upload: { Bucket: string; Key: string; UploadId: string }
  const bodies = new Map(Array.from({ length: OBJECTS }, (_, index) => [`k${index}`, randomBytes(OBJECT_BYTES)]))
  const parts = [randomBytes(5 * MIB), randomBytes(MIB)]
  const etags: (string | undefined)[] = []

  beforeAll(async () => {
    provider = await startServer({ workers: 1, env: { COFFER_ALLOW_HTTP: 'true' } })
    place = await newBucketAt(provider)
    proxy = await startProviderProxy(provider.endpoint)
    cloud = storeAt({ ...endpointOf(provider), endpoint: proxy.endpoint, isSecure: false }, place, { prefix: 'mesh/' })
    whole = await startWholeMesh('mesh-blob-moves', programs, (directory) => {
      useClasses(directory, {})
      return { COFFER_BLOBS_FILE: blobsFileIn(directory) }
    })
    const [one] = whole.clients
    const buckets = { plain: await newBucket(one), versioned: await newBucket(one, { versioning: 'Enabled' }) }
    Bucket = await newBucket(one)
    for (const [Key, Body] of bodies) await one.send(new PutObjectCommand({ Bucket, Key, Body }))
    const { UploadId = '' } = await one.send(new CreateMultipartUploadCommand({ Bucket, Key: 'parts' }))
    upload = { Bucket, Key: 'parts', UploadId }
    await uploadPart(1)
    load = new LoadUnderFaults(whole.clients, buckets)
    load.start()
    await load.untilServed()
  })
  afterAll(async () => {
    await load?.stop()
    await whole?.stop()
    await proxy?.stop()
    await provider?.dispose()
  })
  afterEach(() => expect(load.wrongs).toEqual([]))

  function useClasses(directory: string, classes: Readonly<Record<string, string>>): void {
    writeFileSync(blobsFileIn(directory), JSON.stringify({ stores: { cloud }, classes }), { mode: 0o600 })
  }
  async function uploadPart(PartNumber: number): Promise<void> {
    const Body = parts[PartNumber - 1] as Buffer
    etags.push((await whole.clients[1].send(new UploadPartCommand({ ...upload, PartNumber, Body }))).ETag)
  }
  async function writesMore(): Promise<void> {
    const before = load.journal.acknowledgedWrites
    await expect.poll(() => load.journal.acknowledgedWrites, PATIENCE).toBeGreaterThan(before + 30)
  }
  const inCloud = async () => {
    const client = s3Client(provider)
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: place, Prefix: 'mesh/blobs/' }))
    client.destroy()
    return Contents.length
  }
  const migrate = ['migrate', 'blobs', '--from', 'default', '--to', 'cloud']
  const job = async (id: string) => await cofferJson<Moved>(whole.mesh, ['job', 'show', id])
  const assertReadable = async () => {
    for (const [Key, body] of bodies) {
      for (const client of whole.clients) {
        expect((await bytesOf(await client.send(new GetObjectCommand({ Bucket, Key })))).equals(body), Key).toBe(true)
      }
    }
  }

  it('is refused while new objects go on coming into the old store', async () => {
    await writesMore()
    const { code, stdout } = await coffer([...migrate, '--json'], whole.mesh.env)
    const { state, failure } = JSON.parse(stdout) as Job
    expect([code, state, failure?.code]).toEqual([1, 'failed', 'ROTATION_REQUEST_INVALID'])
    expect(await inCloud()).toBe(0)
  })

  it('comes there, whatever is killed in the midst of it', async () => {
    const { mesh, directory } = whole
    useClasses(directory, { STANDARD: 'cloud' })
    for (const name of ['rotation', 'gateway 1', 'gateway 2']) {
      await mesh.groups.get(name)?.stop()
      await mesh.replace(name)
    }
    await load.untilServed()
    const gate = gateFor(proxy)
    const { id } = await cofferJson<Job>(mesh, [...migrate, '--no-follow'])
    for (const name of ['metadata', 'rotation', 'gateway 1']) {
      await gate.letThrough(2, PATIENCE)
      // One object is on its way: the job can't be done.
      await mesh.groups.get(name)?.kill('SIGKILL')
      await mesh.replace(name)
      await load.untilServed()
      await writesMore()
    }
    await gate.letThrough(1, PATIENCE)
    await provider.killGroup('SIGKILL')
    await provider.restart()
    gate.open()
    await expect.poll(async () => (await job(id)).endedAt, PATIENCE).toBeDefined()
    expect(await job(id), mesh.logs()).toMatchObject({ state: 'completed', result: { failedCount: 0 } })
    await load.untilServed()
    await assertReadable()
  })

  it('leaves parts of an upload in progress until that is completed, and then nothing', async () => {
    const [one] = whole.clients
    expect(filesOf(whole).length).toBeGreaterThan(0)
    // The first is where it was, this one is in the new store.
    await uploadPart(2)
    const Parts = etags.map((ETag, index) => ({ ETag, PartNumber: index + 1 }))
    await one.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }))
    bodies.set('parts', Buffer.concat(parts))
    await assertReadable()
    const { state, result } = await cofferJson<Moved>(whole.mesh, migrate)
    expect([state, result?.failedCount, result?.left]).toEqual(['completed', 0, { blobCount: 0, sizeBytes: 0 }])
    await assertReadable()
  })

  it('has lost no acknowledged write, and the old store is empty', async () => {
    await writesMore()
    await load.stop()
    const seen = async (key: string, versionId?: string): Promise<string> => {
      for (;;) {
        const state = await load.stateOf(whole.clients[1], key, versionId).catch(({ name }: Error) => name)
        if (state !== 'ServiceUnavailable') return state
        await sleep(200)
      }
    }
    for (const key of load.journal.keys()) expect(load.journal.allowed(key), key).toContain(await seen(key))
    for (const { key, versionId, state } of load.told) expect(await seen(key, versionId)).toBe(state)
    expect(await cofferJson(whole.mesh, ['scrub'])).toMatchObject({ damaged: [], incomplete: [] })
    // What a killed process had not erased any more is erased when its lease is over.
    await expect.poll(() => filesOf(whole), PATIENCE).toEqual([])
  })
})

function blobsFileIn(directory: string): string {
  return join(directory, 'blobs.json')
}

/** Of the data directory's own store. */
function filesOf({ mesh }: WholeMesh): string[] {
  const blobs = join(String(mesh.env.COFFER_DATA_DIR), 'blobs')
  const names = readdirSync(blobs, { recursive: true, encoding: 'utf8' })
  return names.filter((name) => /\/[0-9a-f]{16}-/.test(name))
}

/** Holds up objects that only the move writes, until they are let through one by one. */
function gateFor(proxy: ProviderProxy) {
  const waiting: (() => void)[] = []
  const isOfTheMove = ({ method, headers }: IncomingMessage) =>
    method === 'PUT' && Number(headers['content-length']) > OF_THE_MOVE_BYTES
  proxy.admit = async (incoming) => {
    if (isOfTheMove(incoming)) await new Promise<void>((resolve) => waiting.push(resolve))
  }
  return {
    /** Ends when another one waits. */
    async letThrough(count: number, patience: object): Promise<void> {
      for (let index = 0; index <= count; index++) {
        await expect.poll(() => waiting.length, patience).toBeGreaterThan(0)
        if (index < count) waiting.shift()?.()
      }
    },
    open(): void {
      proxy.admit = async () => {}
      for (const go of waiting) go()
    },
  }
}
