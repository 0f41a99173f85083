import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import type { RewrapReport } from '@coffer/contracts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cofferJson } from '../harness/coffer-command.ts'
import { bytesOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite, temporaryDirectory } from '../harness/start-server.ts'
import { AwsDouble, serve } from './aws-double.ts'

const PAGE = 1_000
const AT_ONCE = 25

/** A server whose default KMS counts what it is asked for. */
const double = new AwsDouble()
const { endpoint, stop } = await serve(double.listener)
afterAll(stop)
const directory = temporaryDirectory('kms-calls')
const [kmsFile, secretFile] = [join(directory, 'kms.json'), join(directory, 'secret')]
writeFileSync(secretFile, 'any-secret-will-do')
const access = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKeyFile: secretFile }
writeFileSync(
  kmsFile,
  JSON.stringify({ default: 'aws', connectors: { aws: { type: 'aws', region: 'eu-central-1', endpoint, ...access } } }),
)
/** One worker: each keeps bucket keys of its own. */
const server = await serverForSuite({ workers: 1, env: { COFFER_KMS_FILE: kmsFile } })
const s3 = s3Client(server)
const key = <Answer = unknown>(...words: string[]) => cofferJson<Answer>(server, ['key', ...words])
const DIRECT = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'counted', BucketKeyEnabled: false } as const
const THROUGH_BUCKET_KEY = { ...DIRECT, BucketKeyEnabled: true } as const

/** Calls that wrap or unwrap a key: what AWS bills, and what makes a request wait. */
const WRAPPING = ['GenerateDataKey', 'Encrypt', 'Decrypt', 'ReEncrypt']
const wrappingCalls = () => double.actions.filter((action) => WRAPPING.includes(action))

beforeAll(async () => {
  await key('create', 'counted')
})

describe('the KMS is asked', () => {
  it('once for every object without a bucket key, and for none of a page of 1,000 of them', async () => {
    const Bucket = await newBucket(s3)
    await s3.send(new PutObjectCommand({ Bucket, Key: 'warm', Body: 'x' }))
    double.actions.length = 0
    const names = Array.from({ length: PAGE }, (_, index) => `k${String(index).padStart(4, '0')}`)
    const put = async (Key: string) => s3.send(new PutObjectCommand({ Bucket, Key, Body: Key, ...DIRECT }))
    for (let at = 0; at < names.length; at += AT_ONCE) await Promise.all(names.slice(at, at + AT_ONCE).map(put))
    expect(wrappingCalls()).toEqual(Array(PAGE).fill('GenerateDataKey'))
    double.actions.length = 0
    const listed = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: 'k' }))
    expect(listed.Contents?.map(({ Key }) => Key)).toEqual(names)
    expect(listed.Contents?.every(({ ETag }) => /^"[0-9a-f]{32}"$/.test(ETag ?? ''))).toBe(true)
    const versions = await s3.send(new ListObjectVersionsCommand({ Bucket, Prefix: 'k' }))
    expect(versions.Versions).toHaveLength(PAGE)
    expect(await s3.send(new HeadObjectCommand({ Bucket, Key: 'k0000' }))).toMatchObject({ ContentLength: 5 })
    expect(double.actions).toEqual([])
  })

  it('not at all for puts and gets through a bucket key that the worker has', async () => {
    const Bucket = await newBucket(s3)
    for (const sse of [{}, THROUGH_BUCKET_KEY]) {
      await s3.send(new PutObjectCommand({ Bucket, Key: 'first', Body: 'x', ...sse }))
      const body = randomBytes(4096)
      const round = async (Key: string) => {
        await s3.send(new PutObjectCommand({ Bucket, Key, Body: body, ...sse }))
        expect((await bytesOf(await s3.send(new GetObjectCommand({ Bucket, Key })))).equals(body)).toBe(true)
      }
      double.actions.length = 0
      await Promise.all(Array.from({ length: 50 }, (_, index) => round(`k${index}`)))
      expect(wrappingCalls()).toEqual([])
    }
  })

  it('once for a rewrap of a bucket key, however many objects are under it', async () => {
    const Bucket = await newBucket(s3)
    await key('create', 'bucket-keys')
    const sse = { ...THROUGH_BUCKET_KEY, SSEKMSKeyId: 'bucket-keys' }
    const put = (Key: string) => s3.send(new PutObjectCommand({ Bucket, Key, Body: 'x', ...sse }))
    for (let at = 0; at < 50; at += AT_ONCE) {
      await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => put(`k${at + index}`)))
    }
    await key('rotate', 'bucket-keys')
    double.actions.length = 0
    expect(await key<RewrapReport>('rewrap', 'bucket-keys')).toMatchObject({ bucketKeyCount: 1, objectCount: 50 })
    expect(double.actions.filter((action) => action === 'ReEncrypt')).toHaveLength(1)
    // What the command opens for itself does not grow with the objects.
    expect(wrappingCalls().length).toBeLessThan(5)
  })
})
