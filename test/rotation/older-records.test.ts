import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
} from '@aws-sdk/client-s3'
import { openLmdbRows } from '@coffer/metadata-store/drivers/lmdb/rows'
import { afterAll, describe, expect, it } from 'vitest'
import { cofferJson } from '../harness/coffer-command.ts'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

/** One that rests beside its record, and one in a file of its own. */
const SIZES = { inline: 2_000, blob: 300_000 } as const
const TABLES = ['current', 'versions', 'bodies'] as const

const server = await serverForSuite()
/** The disk, below the running server: what an attacker with the machine's storage has. */
const disk = await openLmdbRows(join(server.dataDir, 'metadata'))
afterAll(() => disk.close())
const s3 = s3Client(server)
const Bucket = await newBucket(s3)

type Row = Awaited<ReturnType<typeof disk.read>>[number]
type Rows = Readonly<Record<(typeof TABLES)[number], readonly Row[]>>

/** All rows about an object, as they are on the disk now. What rests inline is found by the version id in its record. */
async function rowsOf(Key: string): Promise<Rows> {
  const ofTable = async (table: (typeof TABLES)[number]) => await disk.read(table, undefined, 10_000)
  const named = (rows: readonly Row[]) => rows.filter(({ key }) => key.includes(Key))
  const [current, versions] = [named(await ofTable('current')), named(await ofTable('versions'))]
  const records = [...current, ...versions].map(({ key, value }) => Buffer.concat([key, value]))
  const isOf = (id: Buffer) => id.includes(Key) || records.some((record) => record.includes(id))
  return { current, versions, bodies: (await ofTable('bodies')).filter(({ key }) => isOf(key)) }
}

async function putBack(rows: Rows, tables: readonly (typeof TABLES)[number][]): Promise<void> {
  for (const table of tables) await disk.add(table, rows[table])
}

type Read = Partial<ConstructorParameters<typeof GetObjectCommand>[0]>

/** The body that a get gives, or its error. Bytes that are followed by a broken connection are no answer. */
async function read(Key: string, more: Read = {}): Promise<Buffer | string> {
  const answer = async () => await bytesOf(await s3.send(new GetObjectCommand({ Bucket, Key, ...more })))
  try {
    return await answer()
  } catch {
    return await failureOf(answer()).then(
      ({ code }) => code,
      (error: Error) => error.name,
    )
  }
}

/** With the server as it runs, and after a start. */
async function inBothStates(check: () => Promise<void>): Promise<void> {
  await check()
  await server.stop()
  await server.restart()
  await check()
}

const key = (...words: string[]) => cofferJson(server, ['key', ...words])
const put = (Key: string, Body: Buffer, more: Partial<PutObjectCommandInput> = {}) =>
  s3.send(new PutObjectCommand({ Bucket, Key, Body, ...more }))
const customer = (bytes: Buffer) => ({
  SSECustomerAlgorithm: 'AES256',
  SSECustomerKey: bytes.toString('base64'),
  SSECustomerKeyMD5: createHash('md5').update(bytes).digest('base64'),
})
const objects = (name: string) =>
  Object.entries(SIZES).map(([form, sizeBytes]) => ({ form, name: `${name}-${form}`, body: randomBytes(sizeBytes) }))

describe("an object's own older record, put back", () => {
  it('after a rewrap gives the true bytes while the older version of the key is there, and then an error', async () => {
    await key('create', 'first')
    await key('create', 'second')
    const sealing = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'first', BucketKeyEnabled: false } as const
    const all = objects('rewrapped')
    for (const { name, body } of all) await put(name, body, sealing)
    const older = await Promise.all(all.map(({ name }) => rowsOf(name)))
    await key('rotate', 'first')
    await key('rewrap', 'first', '--to', 'second')
    for (const rows of older) expect(rows.versions.length + rows.current.length).toBeGreaterThan(0)
    for (const rows of older) await putBack(rows, ['current', 'versions'])
    await inBothStates(async () => {
      for (const { name, body } of all) expect(body.equals((await read(name)) as Buffer), name).toBe(true)
    })
    // Nothing needs it by the index: the record that was put back is in no count.
    await key('delete', 'first')
    const refused = async () => await Promise.all(all.map(({ name }) => read(name)))
    await expect.poll(refused, { timeout: 60_000 }).toEqual(all.map(() => 'KMS.KMSInvalidStateException'))
  })

  it("of SSE-C is opened by the customer's older key again, and not by the newer", async () => {
    const [olderKey, newerKey] = [customer(randomBytes(32)), customer(randomBytes(32))]
    const all = objects('customers')
    for (const { name, body } of all) await put(name, body, olderKey)
    const older = await Promise.all(all.map(({ name }) => rowsOf(name)))
    for (const { name } of all) {
      const { SSECustomerAlgorithm, SSECustomerKey, SSECustomerKeyMD5 } = olderKey
      const copy = new CopyObjectCommand({
        Bucket,
        Key: name,
        CopySource: `${Bucket}/${name}`,
        CopySourceSSECustomerAlgorithm: SSECustomerAlgorithm,
        CopySourceSSECustomerKey: SSECustomerKey,
        CopySourceSSECustomerKeyMD5: SSECustomerKeyMD5,
        ...newerKey,
      })
      await s3.send(copy)
      expect(await read(name, olderKey)).toBe('AccessDenied')
    }
    for (const rows of older) await putBack(rows, ['current', 'versions'])
    await inBothStates(async () => {
      for (const { name, body } of all) {
        expect(body.equals((await read(name, olderKey)) as Buffer), name).toBe(true)
        expect(await read(name, newerKey), name).toBe('AccessDenied')
      }
    })
  })

  it('after the data was encrypted anew opens nothing of it: the object is refused', async () => {
    const all = objects('anew')
    for (const { name, body } of all) await put(name, body)
    const older = await Promise.all(all.map(({ name }) => rowsOf(name)))
    const job = ['job', 'start', 'reencrypt', '--bucket', Bucket, '--prefix', 'anew-', '--follow']
    expect(await cofferJson<object>(server, job)).toMatchObject({ state: 'completed' })
    for (const { name, body } of all) expect(body.equals((await read(name)) as Buffer), name).toBe(true)
    for (const rows of older) await putBack(rows, ['current', 'versions'])
    await inBothStates(async () => {
      for (const { name, form, body } of all) {
        const got = await read(name)
        // The earlier file may still be there for a moment: then it is what the record speaks of.
        const isEarlier = form === 'blob' && Buffer.isBuffer(got) && got.equals(body)
        expect(isEarlier ? 'InternalError' : got, name).toBe('InternalError')
      }
    })
    await expect.poll(() => server.logs()).toMatch(/integrity/)
  })

  it('after it was overwritten gives no bytes without its own body, and never a mixture', async () => {
    const all = objects('overwritten').map((object) => ({ ...object, newer: randomBytes(object.body.length) }))
    for (const { name, body } of all) await put(name, body)
    const older = await Promise.all(all.map(({ name }) => rowsOf(name)))
    for (const { name, newer } of all) await put(name, newer)
    for (const tables of [['current'], ['versions'], ['current', 'versions']] as const) {
      const newest = await Promise.all(all.map(({ name }) => rowsOf(name)))
      for (const rows of older) await putBack(rows, tables)
      for (const { name, body, newer } of all) {
        const got = await read(name)
        const isTrue = Buffer.isBuffer(got) && (got.equals(newer) || got.equals(body))
        expect(isTrue || typeof got === 'string', `${name} with ${tables}`).toBe(true)
      }
      for (const rows of newest) await putBack(rows, TABLES)
    }
  })

  it('with all that belongs to it is the older object again, as SECURITY.md says: that cannot be told', async () => {
    const [gone] = objects('gone').filter(({ form }) => form === 'inline')
    if (gone === undefined) throw new Error('there is an inline form')
    await put(gone.name, gone.body)
    const older = await rowsOf(gone.name)
    await s3.send(new DeleteObjectCommand({ Bucket, Key: gone.name }))
    expect(await read(gone.name)).toBe('NoSuchKey')
    await putBack(older, TABLES)
    await inBothStates(async () => {
      expect(gone.body.equals((await read(gone.name)) as Buffer)).toBe(true)
    })
  })
})
