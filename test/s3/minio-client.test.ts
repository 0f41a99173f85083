import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Agent } from 'node:https'
import { buffer } from 'node:stream/consumers'
import { Client } from 'minio'
import { expect, it } from 'vitest'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite()
const minio = new Client({
  endPoint: '127.0.0.1',
  port: server.port,
  useSSL: true,
  accessKey: server.accessKeyId,
  secretKey: server.secretAccessKey,
  region: 'us-east-1',
  transportAgent: new Agent({ ca: readFileSync(server.caFile), keepAlive: true }),
  partSize: 5 * 1024 * 1024,
})

it('the MinIO client stores, lists, reads and removes small and multipart objects', async () => {
  await minio.makeBucket('minio-js')
  expect(await minio.bucketExists('minio-js')).toBe(true)
  const bodies = { 'small ü': randomBytes(1_000), 'dir/large': randomBytes(12 * 1024 * 1024) }
  for (const [name, body] of Object.entries(bodies)) {
    await minio.putObject('minio-js', name, body, body.length, { 'X-Amz-Meta-Kind': 'test' })
    expect((await buffer(await minio.getObject('minio-js', name))).equals(body)).toBe(true)
    const stat = await minio.statObject('minio-js', name)
    expect(stat.size).toBe(body.length)
    expect(stat.metaData.kind).toBe('test')
  }
  const part = await buffer(await minio.getPartialObject('minio-js', 'dir/large', 65_530, 100))
  expect(part.equals(bodies['dir/large'].subarray(65_530, 65_630))).toBe(true)
  const names: string[] = []
  for await (const item of minio.listObjectsV2('minio-js', '', true)) names.push(item.name)
  expect(names.sort()).toEqual(['dir/large', 'small ü'])
  const url = await minio.presignedGetObject('minio-js', 'small ü', 60)
  expect(url).toContain('X-Amz-Signature')
  await minio.removeObjects('minio-js', names)
  await minio.removeBucket('minio-js')
  expect(await minio.bucketExists('minio-js')).toBe(false)
})
