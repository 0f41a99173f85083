import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, describe, expect, it } from 'vitest'
import { sendSigned } from '../harness/raw-request.ts'
import { bytesOf, newBucket, s3Client } from '../harness/s3.ts'
import { startServer, temporaryDirectory } from '../harness/start-server.ts'
import { OtlpCollector } from './otlp-collector.ts'

const OBJECTS = 100
const PATIENCE = { timeout: 60_000 }

const collector = await new OtlpCollector().start()
const token = randomBytes(24).toString('hex')
const headersFile = join(temporaryDirectory('away-collector'), 'headers')
writeFileSync(headersFile, `authorization: Bearer ${token}\n`)
const server = await startServer({
  workers: 1,
  env: {
    COFFER_TRACES_ENDPOINT: collector.endpoint,
    COFFER_TRACES_SAMPLE_RATIO: '1',
    COFFER_TRACES_CLIENT_CONTEXT: 'continue',
    COFFER_TRACES_HEADERS_FILE: headersFile,
  },
})
const s3 = s3Client(server)
afterAll(async () => {
  s3.destroy()
  await server.dispose()
  await collector.stop()
})

describe('a server whose collector', () => {
  it('never answers, refuses or is gone serves as before, says so, and stops in order', async () => {
    const bucket = await newBucket(s3)
    for (const away of ['silent', 'refusing', 'gone'] as const) {
      collector.status = away === 'silent' ? undefined : 401
      if (away === 'gone') await collector.stop()
      const keys = Array.from({ length: OBJECTS }, (_, index) => `${away}-${index}`)
      await Promise.all(
        keys.map(async (Key) => {
          await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: Key }))
          const body = await bytesOf(await s3.send(new GetObjectCommand({ Bucket: bucket, Key })))
          expect(body.toString()).toBe(Key)
        }),
      )
    }
    await expect.poll(() => server.logs(), PATIENCE).toContain('the collector takes no traces')
    expect(server.logs()).not.toContain(token)
    await collector.start()
    collector.status = 200
    const next = async () => {
      await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'again', Body: 'x' }))
      return server.logs()
    }
    await expect.poll(next, { ...PATIENCE, interval: 500 }).toContain('the collector takes traces again')
    expect(collector.spans.length).toBeGreaterThan(0)
  }, 240_000)

  it('goes on with the trace of a client where it is told to trust it, and leaves out what the client does', async () => {
    const traceId = randomBytes(16).toString('hex')
    const parent = randomBytes(8).toString('hex')
    const ask = async (flags: string): Promise<string> => {
      const headers = { traceparent: `00-${traceId}-${parent}-${flags}` }
      const answer = await sendSigned(server, { method: 'GET', path: '/', headers })
      return String(answer.headers['x-amz-request-id'])
    }
    const leftOut = await ask('00')
    const kept = await collector.ofRequest(await ask('01'))
    expect(kept).toMatchObject({ traceId, parentId: parent, links: [] })
    // Both were sent on one batch at the latest: what was kept came, and what was not did not.
    expect(collector.spans.filter(({ attributes }) => attributes['aws.request_id'] === leftOut)).toEqual([])
    collector.status = undefined
    await ask('01')
    expect(await server.stop()).toBe(0)
  })
})
