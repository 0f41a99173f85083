import { randomBytes } from 'node:crypto'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, describe, expect, it } from 'vitest'
import { describeUnavailable } from '../harness/find-program.ts'
import { bytesOf, newBucket, s3Client } from '../harness/s3.ts'
import { mountSmallDisk } from '../harness/small-disk.ts'
import { startServer } from '../harness/start-server.ts'

const disk = mountSmallDisk(96 * 1024 * 1024)
afterAll(() => disk.unmount())

if (!disk.isMounted) {
  describeUnavailable('a full disk', 'only root may mount a small tmpfs')
} else {
  describe('a full disk', async () => {
    const dataDir = join(disk.path, 'data')
    mkdirSync(dataDir)
    const server = await startServer({ dataDir })
    afterAll(async () => await server.dispose())
    const s3 = s3Client(server)
    const bucket = await newBucket(s3)
    const old = { small: randomBytes(5_000), large: randomBytes(1_000_000) }
    for (const [Key, Body] of Object.entries(old)) await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body }))

    async function expectOldObjects(): Promise<void> {
      for (const [Key, body] of Object.entries(old)) {
        const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key }))
        expect((await bytesOf(got)).equals(body), Key).toBe(true)
      }
      const list = await s3.send(new ListObjectsV2Command({ Bucket: bucket }))
      expect(list.Contents?.map(({ Key }) => Key)).toEqual(['large', 'small'])
    }

    it.each([
      ['large', 1_000_000, 4_000_000],
      ['small', 0, 100_000],
    ])(
      'refuses a %s object clearly, keeps the old one whole, and goes on when there is room',
      async (Key, freeBytes, sizeBytes) => {
        const filler = disk.fill(freeBytes)
        let refused: unknown
        // Some pages that a write needs may be free yet: the disk is full after a few.
        for (let tries = 0; tries < 60 && refused === undefined; tries++) {
          const Body = randomBytes(sizeBytes)
          const put = await s3
            .send(new PutObjectCommand({ Bucket: bucket, Key, Body }))
            .catch((error: unknown) => ({ error }))
          if ('error' in put) refused = put.error
          else old[Key as keyof typeof old] = Body
        }
        expect(refused).toBeInstanceOf(Error)
        const { name, $metadata } = refused as { name: string; $metadata?: { httpStatusCode?: number } }
        expect([500, 503, 507], name).toContain($metadata?.httpStatusCode)
        expect(name).not.toBe('InternalError')
        await expectOldObjects()
        rmSync(filler)
        const body = randomBytes(sizeBytes)
        await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: body }))
        old[Key as keyof typeof old] = body
        await expectOldObjects()
      },
      60_000,
    )
  })
}
