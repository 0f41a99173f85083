import { readFileSync } from 'node:fs'
import { Agent } from 'node:https'
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { expect, it } from 'vitest'
import { sendSigned } from '../harness/raw-request.ts'
import { bytesOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite({ env: { COFFER_DOMAINS: 'localhost,s3.example.org' } })
const pathStyle = s3Client(server)

/** Resolves every name to this machine, as DNS would do for a wildcard; the certificate is checked for localhost. */
const agent = new Agent({
  ca: readFileSync(server.caFile),
  servername: 'localhost',
  lookup: (_name, options, callback) => {
    if (options.all) callback(null, [{ address: '127.0.0.1', family: 4 }])
    else callback(null, '127.0.0.1', 4)
  },
})

const virtualHost = new S3Client({
  endpoint: `https://localhost:${server.port}`,
  region: 'us-east-1',
  credentials: server,
  maxAttempts: 1,
  requestHandler: { httpsAgent: agent },
})

it('the bucket in the host name reaches the same objects as in the path', async () => {
  await virtualHost.send(new CreateBucketCommand({ Bucket: 'by-host' }))
  await virtualHost.send(new PutObjectCommand({ Bucket: 'by-host', Key: 'by-host/k ü', Body: 'x' }))
  const byPath = await pathStyle.send(new GetObjectCommand({ Bucket: 'by-host', Key: 'by-host/k ü' }))
  expect((await bytesOf(byPath)).toString()).toBe('x')
  const list = await virtualHost.send(new ListObjectsV2Command({ Bucket: 'by-host' }))
  expect(list.Contents?.map(({ Key }) => Key)).toEqual(['by-host/k ü'])
  await virtualHost.send(new DeleteObjectCommand({ Bucket: 'by-host', Key: 'by-host/k ü' }))
  expect((await pathStyle.send(new ListObjectsV2Command({ Bucket: 'by-host' }))).KeyCount).toBe(0)
})

it('every configured domain serves buckets, with dots in their names and any port', async () => {
  const bucket = await newBucket(pathStyle, { name: 'dotted.name' })
  await pathStyle.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'x' }))
  for (const host of ['dotted.name.s3.example.org', 'DOTTED.name.S3.example.org:8443']) {
    const answer = await sendSigned(server, { method: 'GET', path: '/k', headers: { host } })
    expect([answer.status, answer.body.toString()], host).toEqual([200, 'x'])
  }
})

it('another host name is not a bucket', async () => {
  const bucket = await newBucket(pathStyle)
  await pathStyle.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'x' }))
  const headers = { host: 'elsewhere.example.com' }
  const answer = await sendSigned(server, { method: 'GET', path: `/${bucket}/k`, headers })
  expect(answer.body.toString()).toBe('x')
})
