import { readFileSync } from 'node:fs'
import { get } from 'node:https'
import { DeleteBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { Client } from 'minio'
import { expect, it } from 'vitest'
import { sendSigned } from '../harness/raw-request.ts'
import { newBucket, s3Client } from '../harness/s3.ts'
import type { SigningKeys } from '../harness/sigv4-client.ts'
import { serverForSuite } from '../harness/start-server.ts'
import { iam, newUser, policy } from '../iam/query-api.ts'
import { eventually } from './event-reading.ts'

const server = await serverForSuite({ workers: 2 })
const s3 = s3Client(server, { keepAlive: false })
const minioClient = ({ accessKeyId, secretAccessKey }: SigningKeys) =>
  new Client({
    endPoint: '127.0.0.1',
    port: server.port,
    accessKey: accessKeyId,
    secretKey: secretAccessKey,
    region: 'us-east-1',
    transport: {
      request: (options: object, callback: never) => get({ ...options, ca: readFileSync(server.caFile) }, callback),
    } as never,
  })
const minio = minioClient(server)

interface ListenedRecord {
  readonly eventName: string
  readonly s3: { readonly bucket: { readonly name: string }; readonly object: { readonly key: string } }
}

it('a live tail hears what any worker commits, by its filter, until it ends', async () => {
  const bucket = await newBucket(s3)
  const put = (Key: string) => s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'x' }))
  const heard: ListenedRecord[] = []
  const poller = minio.listenBucketNotification(bucket, 'in/', '.jpg', ['s3:ObjectCreated:*', 's3:ObjectAccessed:*'])
  poller.on('notification', (record) => heard.push(record as ListenedRecord))
  // The tail is there when one of these is heard.
  await eventually(
    async () => {
      await put('in/begin.jpg')
      return heard.length
    },
    (count) => count > 0,
  )
  // Each over a connection of its own, so that both workers get some.
  const keys = Array.from({ length: 30 }, (_, index) => `in/${index}.jpg`)
  await Promise.all([...keys.map(put), put('out/a.jpg'), put('in/a.png')])
  const named = () => new Set(heard.map(({ s3: { object } }) => object.key))
  await eventually(
    async () => named(),
    (names) => keys.every((key) => names.has(key)),
  )
  expect(named()).toEqual(new Set(['in/begin.jpg', ...keys]))
  expect(heard[0]).toMatchObject({ eventName: 's3:ObjectCreated:Put', s3: { bucket: { name: bucket } } })
  poller.stop()
})

it('a live tail ends with the access key that it was begun with', async () => {
  const bucket = await newBucket(s3)
  const keys = await newUser(server, 'listener')
  const PolicyDocument = policy({ Effect: 'Allow', Action: 's3:ListenBucketNotification', Resource: '*' })
  await iam(server, 'PutUserPolicy', { UserName: 'listener', PolicyName: 'own', PolicyDocument })
  const poller = minioClient(keys).listenBucketNotification(bucket, '', '', ['s3:ObjectCreated:*'])
  let [heard, refused] = [0, 0]
  poller.on('notification', () => {
    heard += 1
  })
  poller.on('error', () => {
    refused += 1
  })
  await eventually(
    async () => {
      await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'x' }))
      return heard
    },
    (count) => count > 0,
  )
  await iam(server, 'DeleteAccessKey', { UserName: 'listener', AccessKeyId: keys.accessKeyId })
  // It is cut off, and refused when it comes again.
  await expect.poll(() => refused, { timeout: 60_000 }).toBeGreaterThan(0)
  poller.stop()
})

it('an event that there is not is refused', async () => {
  const bucket = await newBucket(s3)
  const refused = await sendSigned(server, { method: 'GET', path: `/${bucket}`, query: { events: 's3:ObjectEaten:*' } })
  expect([refused.status, refused.code]).toEqual([400, 'InvalidArgument'])
  await s3.send(new DeleteBucketCommand({ Bucket: bucket }))
})

it('a server that is told to stop ends its tails at once', async () => {
  const bucket = await newBucket(s3)
  const poller = minio.listenBucketNotification(bucket, '', '', ['s3:ObjectCreated:*'])
  let heard = 0
  poller.on('notification', () => {
    heard += 1
  })
  await eventually(
    async () => {
      await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'x' }))
      return heard
    },
    (count) => count > 0,
  )
  poller.on('error', () => undefined)
  poller.stop()
  const startedAt = performance.now()
  await server.stop()
  expect(performance.now() - startedAt).toBeLessThan(8_000)
})
