import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWithPostgres } from '../harness/describe-with-postgres.ts'
import { type PostgresServer, startPostgres } from '../harness/postgres-server.ts'
import { bytesOf, newBucket, s3Client } from '../harness/s3.ts'
import { type CofferServer, startServer } from '../harness/start-server.ts'

const RECOVERY_MS_MAX = 10_000

describeWithPostgres('a server whose PostgreSQL is away', () => {
  let postgres: PostgresServer
  let server: CofferServer
  beforeAll(async () => {
    postgres = await startPostgres()
    const env = { COFFER_METADATA_URL: postgres.url, COFFER_METADATA_PASSWORD_FILE: postgres.passwordFile }
    server = await startServer({ env, workers: 1 })
  })
  afterAll(async () => {
    await server.dispose()
    await postgres.stop()
  })

  test('answers 503 with Retry-After, and is itself again when the database is', async () => {
    const s3 = s3Client(server)
    const bucket = await newBucket(s3)
    const put = (Key: string) => s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: Key }))
    await put('before')
    await postgres.kill()
    const failure: unknown = await put('during').catch((error: unknown) => error)
    expect(failure).toMatchObject({ name: 'ServiceUnavailable', $metadata: { httpStatusCode: 503 } })
    expect((failure as { $response?: { headers: Record<string, string> } }).$response?.headers['retry-after']).toBe('1')
    await postgres.restart()
    const restartedAt = Date.now()
    await expect
      .poll(
        () =>
          put('after').then(
            () => true,
            () => false,
          ),
        { timeout: 60_000 },
      )
      .toBe(true)
    expect(Date.now() - restartedAt).toBeLessThan(RECOVERY_MS_MAX)
    for (const Key of ['before', 'after']) {
      const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key }))
      expect((await bytesOf(got)).toString()).toBe(Key)
    }
  })
})
