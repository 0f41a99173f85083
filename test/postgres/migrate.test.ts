import { randomBytes } from 'node:crypto'
import { GetObjectCommand, ListObjectVersionsCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { coffer } from '../harness/coffer-command.ts'
import { describeWithPostgres } from '../harness/describe-with-postgres.ts'
import { type PostgresServer, startPostgres } from '../harness/postgres-server.ts'
import { bytesOf, newBucket, s3Client } from '../harness/s3.ts'
import { startServer, temporaryDirectory } from '../harness/start-server.ts'

describeWithPostgres('coffer migrate metadata', () => {
  let postgres: PostgresServer
  beforeAll(async () => {
    postgres = await startPostgres()
  })
  afterAll(() => postgres.stop())

  test('moves a store to PostgreSQL and back, with every object, and neither side opens by mistake', async () => {
    const dataDir = temporaryDirectory('migrate')
    const there = { COFFER_METADATA_URL: postgres.url, COFFER_METADATA_PASSWORD_FILE: postgres.passwordFile }
    const first = await startServer({ dataDir, workers: 1 })
    let s3 = s3Client(first)
    const bucket = await newBucket(s3)
    const bodies = new Map([10, 5_000, 300_000].map((size) => [`size-${size}`, randomBytes(size)]))
    for (const [Key, Body] of bodies) await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body }))
    const listed = await s3.send(new ListObjectVersionsCommand({ Bucket: bucket }))
    const env = { ...first.env, ...there }
    const running = await coffer(['migrate', 'metadata', '--from', 'lmdb', '--to', 'postgresql'], env)
    expect(running.code).not.toBe(0)
    expect(running.stderr).toContain('DATA_DIRECTORY_IN_USE')
    await first.stop()
    const moved = await coffer(['migrate', 'metadata', '--from', 'lmdb', '--to', 'postgresql'], env)
    expect(moved).toMatchObject({ code: 0 })
    const mistaken = await startServer({ dataDir, workers: 1 }).catch((error: unknown) => String(error))
    expect(mistaken).toContain('COFFER_METADATA_ELSEWHERE')

    for (const settings of [there, {}]) {
      const server = await startServer({ dataDir, workers: 1, env: settings })
      s3 = s3Client(server)
      const again = await s3.send(new ListObjectVersionsCommand({ Bucket: bucket }))
      expect(again.Versions).toEqual(listed.Versions)
      for (const [Key, body] of bodies) {
        const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key }))
        expect((await bytesOf(got)).equals(body)).toBe(true)
      }
      await server.stop()
      if (settings === there) {
        const back = await coffer(['migrate', 'metadata', '--from', 'postgresql', '--to', 'lmdb'], env)
        expect(back).toMatchObject({ code: 0 })
        const late = await startServer({ dataDir, workers: 1, env: there }).catch((error: unknown) => String(error))
        expect(late).toMatch(/COFFER_METADATA_ELSEWHERE|META_STORE_CLOSED/)
      }
    }
  })
})
