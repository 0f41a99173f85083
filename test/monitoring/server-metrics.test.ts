import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, describe, expect, it } from 'vitest'
import { cofferJson } from '../harness/coffer-command.ts'
import { freePort } from '../harness/free-port.ts'
import { newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite, startServer } from '../harness/start-server.ts'
import { firstScrape, type Scrape, scrape, scrapeUntil } from './scrape.ts'

const PUTS = 24
const GETS = 40
const SIZE_BYTES = 1000
const OPERATION = { api: 's3', status: '2xx' }

const address = `127.0.0.1:${await freePort()}`
const server = await serverForSuite({ workers: 2, env: { COFFER_HEALTH_ADDRESS: address, COFFER_AUDIT: 'all' } })
/** Beside it: walks over the buckets are a minute apart, so it is started anew to see what there is. */
const named = `127.0.0.1:${await freePort()}`
const admin = s3Client(server)
afterAll(() => admin.destroy())
await firstScrape(address)

describe('the metrics of a server', () => {
  it('are the sums over all workers, and stay so when one dies', async () => {
    const bucket = await newBucket(admin)
    const before = await scrapeUntil(address, (one) => bucketsMadeIn(one) === 1)
    // A client for each request: connections spread over the workers.
    const each = async (
      count: number,
      work: (client: ReturnType<typeof s3Client>, index: number) => Promise<unknown>,
    ) => {
      for (let index = 0; index < count; index++) {
        const client = s3Client(server)
        await work(client, index)
        client.destroy()
      }
    }
    await each(PUTS, (client, index) =>
      client.send(
        new PutObjectCommand({ Bucket: bucket, Key: `private-name-${index}`, Body: Buffer.alloc(SIZE_BYTES) }),
      ),
    )
    await each(GETS, async (client, index) => {
      const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: `private-name-${index % PUTS}` }))
      await Body?.transformToByteArray()
    })
    await each(2, (client) =>
      client.send(new GetObjectCommand({ Bucket: bucket, Key: 'missing-name' })).catch(() => undefined),
    )
    const requests = (one: Scrape, labels = {}) =>
      one.value('coffer_requests_total', labels) - before.value('coffer_requests_total', labels)
    const after = await scrapeUntil(
      address,
      (one) => one.value('coffer_requests_in_flight') === 0 && requests(one) >= PUTS + GETS + 2,
    )
    const grown = (name: string, labels?: Record<string, string>) =>
      after.value(name, labels) - before.value(name, labels)
    expect(grown('coffer_requests_total', { ...OPERATION, operation: 'PutObject' })).toBe(PUTS)
    expect(grown('coffer_requests_total', { ...OPERATION, operation: 'GetObject' })).toBe(GETS)
    expect(grown('coffer_requests_total', { operation: 'GetObject', status: '4xx' })).toBe(2)
    expect(grown('coffer_request_seconds_count', { operation: 'PutObject' })).toBe(PUTS)
    expect(grown('coffer_request_seconds_bucket', { operation: 'PutObject', le: '+Inf' })).toBe(PUTS)
    expect(grown('coffer_request_bytes_total')).toBeGreaterThanOrEqual(PUTS * SIZE_BYTES)
    expect(grown('coffer_response_bytes_total')).toBeGreaterThan(GETS * SIZE_BYTES)
    expect(grown('coffer_metadata_commits_total', { method: 'commitVersion', outcome: 'ok' })).toBe(PUTS)
    expect(grown('coffer_audit_records_total')).toBeGreaterThanOrEqual(PUTS + GETS)
    expect(after.value('coffer_requests_in_flight')).toBe(0)
    expect(after.value('coffer_disk_free_bytes', { holds: 'blobs' })).toBeGreaterThan(0)
    expect(after.value('coffer_certificate_expiry_timestamp_seconds')).toBeGreaterThan(Date.now() / 1000)

    await killOneWorker(server.pid)
    const later = await scrape(address)
    expect(later.value('coffer_requests_total', { operation: 'PutObject' })).toBeGreaterThanOrEqual(
      after.value('coffer_requests_total', { operation: 'PutObject' }),
    )
  })

  it('say who was refused, and nothing of names, keys or secrets', async () => {
    const bucket = await newBucket(admin)
    const before = await scrapeUntil(address, (one) => bucketsMadeIn(one) === 2)
    const stranger = s3Client({ ...server, accessKeyId: 'AKSTRANGER', secretAccessKey: 'not-the-right-secret' })
    await expect(stranger.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'private-name' }))).rejects.toMatchObject(
      { name: 'InvalidAccessKeyId' },
    )
    stranger.destroy()
    const strange = { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' } }
    const { fetch: request, Agent } = await import('undici')
    const dispatcher = new Agent({ connect: { rejectUnauthorized: false } })
    await request(`${server.endpoint}/`, { ...strange, body: 'Action=TextOfAStranger&Version=2011-06-15', dispatcher })
    await request(`${server.endpoint}/`, {
      method: 'POST',
      headers: { 'x-amz-target': 'TrentService.TextOfAStranger' },
      dispatcher,
    })
    await dispatcher.close()
    const { text, value } = await scrapeUntil(address, (one) =>
      ['kms', 'sts'].every((api) => one.value('coffer_requests_total', { api, status: '4xx' }) > 0),
    )
    expect(value('coffer_authentication_failures_total') - before.value('coffer_authentication_failures_total')).toBe(1)
    expect(value('coffer_requests_total', { api: 'kms', operation: 'unknown', status: '4xx' })).toBe(1)
    expect(value('coffer_requests_total', { api: 'sts', operation: 'STS', status: '4xx' })).toBe(1)
    for (const secret of [
      bucket,
      'private-name',
      'TextOfAStranger',
      'STRANGER',
      server.accessKeyId,
      server.secretAccessKey,
    ]) {
      expect(text).not.toContain(secret)
    }
  })

  it('name the largest buckets where they are asked to, as many as they may', async () => {
    const one = await startServer({ workers: 1, env: { COFFER_HEALTH_ADDRESS: named, COFFER_METRICS_BUCKETS: '2' } })
    try {
      const client = s3Client(one)
      const put = async (sizeBytes: number) => {
        const Bucket = await newBucket(client)
        await client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: Buffer.alloc(sizeBytes) }))
        return Bucket
      }
      const [small, large, middle] = [await put(10), await put(3_000), await put(200)]
      client.destroy()
      await one.killGroup('SIGTERM')
      await one.restart()
      await firstScrape(named)
      const { text, value } = await scrapeUntil(named, (scraped) => scraped.value('coffer_store_bytes') > 0)
      expect(value('coffer_store_bytes')).toBe(3_210)
      expect(value('coffer_store_versions')).toBe(3)
      expect(value('coffer_store_buckets')).toBe(3)
      expect(value('coffer_store_walked_timestamp_seconds')).toBeGreaterThan(0)
      expect(value('coffer_bucket_bytes', { bucket: large })).toBe(3_000)
      expect(value('coffer_bucket_versions', { bucket: middle })).toBe(1)
      expect(text).not.toContain(small)
    } finally {
      await one.dispose()
    }
  })

  it('count what jobs change, also once their process has ended', async () => {
    const bucket = await newBucket(admin)
    const client = s3Client(server)
    for (let index = 0; index < 5; index++) {
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: `o${index}`, Body: 'x' }))
    }
    client.destroy()
    const kind = 'reencrypt'
    const { id } = await cofferJson<{ id: string }>(server, ['job', 'start', kind, '--bucket', bucket])
    await expect
      .poll(async () => (await cofferJson<{ state: string }>(server, ['job', 'show', id])).state, { timeout: 60_000 })
      .toBe('completed')
    const { value } = await scrapeUntil(
      address,
      (one) => one.value('coffer_job_runs_total', { kind }) > 0 && one.value('coffer_jobs_running') === 0,
    )
    expect(value('coffer_job_units_total', { kind, outcome: 'changed' })).toBe(5)
    expect(value('coffer_job_runs_total', { kind, outcome: 'ok' })).toBe(1)
    expect(value('coffer_jobs_running')).toBe(0)
  })
})

/** Once it counts the last one, the worker that made it is in the scrape. */
function bucketsMadeIn({ value }: Scrape): number {
  return value('coffer_requests_total', { ...OPERATION, operation: 'CreateBucket' })
}

/** The children of the supervisor that serve requests have the workers' program; any of them will do. */
async function killOneWorker(supervisorPid: number): Promise<void> {
  const { readFileSync } = await import('node:fs')
  const children = readFileSync(`/proc/${supervisorPid}/task/${supervisorPid}/children`, 'utf8').trim().split(' ')
  const worker = children.find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('worker-main'))
  if (worker === undefined) throw new Error('no worker found')
  process.kill(Number(worker), 'SIGKILL')
  await expect
    .poll(() =>
      readFileSync(`/proc/${supervisorPid}/task/${supervisorPid}/children`, 'utf8').split(' ').includes(worker),
    )
    .toBe(false)
}
