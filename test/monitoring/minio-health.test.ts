import { PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, expect, it } from 'vitest'
import { send } from '../harness/raw-request.ts'
import { s3Client } from '../harness/s3.ts'
import { startServer } from '../harness/start-server.ts'

const server = await startServer({ workers: 1, env: { COFFER_DOMAINS: 's3.example.test' } })
afterAll(() => server.dispose())

it('tells load balancers that ask as they would ask MinIO, and takes nothing else for such a question', async () => {
  for (const [path, method] of [
    ['/minio/health/live', 'GET'],
    ['/minio/health/live', 'HEAD'],
    ['/minio/health/ready', 'GET'],
    ['/minio/health/cluster?maintenance=true', 'GET'],
    ['/minio/health/cluster/read', 'HEAD'],
  ] as const) {
    const answer = await send(server, { method, path })
    expect([path, answer.status, answer.body.length]).toEqual([path, 200, 0])
  }
  for (const [path, method, headers] of [
    ['/minio/health/other', 'GET', {}],
    ['/minio/health/live', 'PUT', {}],
    ['/minio/health/live', 'GET', { host: 'papers.s3.example.test' }],
    ['/minio/health/live', 'GET', { authorization: 'AWS4-HMAC-SHA256 nothing' }],
  ] as const) {
    const { status } = await send(server, { method, path, headers })
    expect([path, status >= 400]).toEqual([path, true])
  }
  const s3 = s3Client(server)
  const name = await s3.send(new PutObjectCommand({ Bucket: 'minio', Key: 'health/live', Body: 'x' })).catch(String)
  expect(name).toContain('NoSuchBucket')
  s3.destroy()
})
