import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, expect, it } from 'vitest'
import { type CommandResult, coffer } from '../harness/coffer-command.ts'
import { bytesOf, newBucket, s3Client } from '../harness/s3.ts'
import { startServer, temporaryDirectory } from '../harness/start-server.ts'
import { writeBlobsFile } from './s3-endpoint.ts'

const path = temporaryDirectory('bound-store')
const slow = { type: 'directory', path }
const withSlow = writeBlobsFile({ stores: { slow }, classes: { STANDARD_IA: 'slow' } })
const server = await startServer({ workers: 1, env: { COFFER_BLOBS_FILE: withSlow } })
let s3 = s3Client(server)
const Bucket = await newBucket(s3)
const body = randomBytes(300_000)
await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: body, StorageClass: 'STANDARD_IA' }))

afterAll(() => server.dispose())

/** What needs object data, with this configuration. */
async function scrubWith(content: unknown): Promise<CommandResult> {
  return await coffer(['scrub'], { ...server.env, COFFER_BLOBS_FILE: writeBlobsFile(content) })
}

function refused(result: CommandResult, told: string): void {
  expect(result).toMatchObject({ code: 1, stderr: expect.stringContaining('COFFER_BLOBS_ELSEWHERE') })
  expect(result.stderr).toContain(told)
}

it('a store that holds objects has to be configured', async () => {
  refused(await scrubWith({ stores: {} }), 'slow')
  const { COFFER_BLOBS_FILE: _, ...withoutFile } = server.env
  refused(await coffer(['scrub'], withoutFile), 'slow')
})

it('another, an empty or a strange place under its name is refused, and nothing is written there', async () => {
  const empty = temporaryDirectory('empty-store')
  refused(await scrubWith({ stores: { slow: { ...slow, path: empty } } }), 'mounted')
  expect(readdirSync(empty)).toEqual([])
  const mistyped = join(empty, 'mistyped')
  refused(await scrubWith({ stores: { slow: { ...slow, path: mistyped } } }), 'mounted')
  expect(existsSync(mistyped)).toBe(false)
  const strangers = temporaryDirectory('strangers-store')
  writeFileSync(join(strangers, 'coffer-store'), '00000000-0000-4000-8000-000000000000\n')
  refused(await scrubWith({ stores: { slow: { ...slow, path: strangers } } }), "another store's")
  refused(await scrubWith({ stores: { slow, second: { ...slow, path: strangers } } }), "another store's")
  expect(readFileSync(join(strangers, 'coffer-store'), 'utf8')).toContain('00000000')
  // The same place under two names would be one store with two numbers.
  refused(await scrubWith({ stores: { slow, second: slow } }), 'second')
  expect(await scrubWith({ stores: { slow } })).toMatchObject({ code: 0 })
})

it('the disk of blobs in the data directory that is not mounted stops a start, and nothing is written below it', async () => {
  await s3.send(new PutObjectCommand({ Bucket, Key: 'first', Body: body }))
  await server.stop()
  const blobs = join(server.dataDir, 'blobs')
  renameSync(blobs, `${blobs}.away`)
  for (const isThere of [true, false]) {
    if (isThere) mkdirSync(blobs)
    const { code, stderr } = await coffer(['server'], server.env)
    expect([code, stderr]).toEqual([1, expect.stringContaining('is its disk mounted')])
    if (isThere) expect(readdirSync(blobs)).toEqual([])
    rmSync(blobs, { recursive: true, force: true })
  }
  renameSync(`${blobs}.away`, blobs)
  await server.restart()
  s3.destroy()
  s3 = s3Client(server)
  const read = await bytesOf(await s3.send(new GetObjectCommand({ Bucket, Key: 'first' })))
  expect(read.equals(body)).toBe(true)
})

it('a disk that is not mounted stops a start, not the day after', async () => {
  await server.stop()
  renameSync(path, `${path}.away`)
  mkdirSync(path)
  const { code, stderr } = await coffer(['server'], server.env)
  expect([code, stderr]).toEqual([1, expect.stringContaining('COFFER_BLOBS_ELSEWHERE')])
  rmSync(path, { recursive: true })
  renameSync(`${path}.away`, path)
  await server.restart()
  s3.destroy()
  s3 = s3Client(server)
  const read = await bytesOf(await s3.send(new GetObjectCommand({ Bucket, Key: 'k' })))
  expect(read.equals(body)).toBe(true)
})

it('a store that holds nothing may leave, and come back', async () => {
  const other = { type: 'directory', path: temporaryDirectory('empty-store') }
  expect(await scrubWith({ stores: { slow, other } })).toMatchObject({ code: 0 })
  expect(await scrubWith({ stores: { slow } })).toMatchObject({ code: 0 })
  expect(await scrubWith({ stores: { slow, other } })).toMatchObject({ code: 0 })
  await s3.send(new DeleteObjectCommand({ Bucket, Key: 'k' }))
  await expect.poll(async () => (await scrubWith({ stores: {} })).code, { timeout: 60_000 }).toBe(0)
  expect(await scrubWith({ stores: { slow } })).toMatchObject({ code: 0 })
})

it.each([
  [{ stores: { slow: { type: 'tape', path } } }, 'stores.slow'],
  [{ stores: { slow: { ...slow, bucket: 'b' } } }, 'stores.slow'],
  [{ stores: { 'Slow!': slow } }, 'a-z'],
  [{ stores: { slow }, classes: { STANDARD_IA: 'fast' } }, 'there is no store fast'],
  [{ stores: { slow }, classes: { GLACIER: 'slow' } }, 'GLACIER_IR'],
  [{ stores: { slow }, classes: { MARBLE: 'slow' } }, 'STANDARD_IA'],
  [{ classes: { STANDARD_IA: 'default' } }, 'stores'],
  [{ stores: { slow: { type: 's3', region: 'r', bucket: 'buck', accessKeyId: 'AKIA' } } }, 'secretAccessKeyFile'],
])('the configuration %j is refused at the start', async (content, told) => {
  const env = {
    ...server.env,
    COFFER_DATA_DIR: temporaryDirectory('refused'),
    COFFER_BLOBS_FILE: writeBlobsFile(content),
  }
  const { code, stderr } = await coffer(['server'], env)
  expect(code).toBe(1)
  expect(stderr).toContain('COFFER_BLOBS_CONFIGURATION_INVALID')
  expect(stderr).toContain(told)
})
