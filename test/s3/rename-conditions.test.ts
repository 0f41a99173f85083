import {
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { expect, it } from 'vitest'
import { sendSigned } from '../harness/raw-request.ts'
import { newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite()
const s3 = s3Client(server)
const REFUSED = [403, 'AccessDenied']
const DONE = [200, '']

/** With the objects `a` and `b`, and what is refused of the rest. */
async function newStrictBucket(Action: string, Condition: object) {
  const Bucket = await newBucket(s3)
  await s3.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'source' }))
  await s3.send(new PutObjectCommand({ Bucket, Key: 'b', Body: 'there' }))
  const Statement = { Effect: 'Deny', Principal: '*', Action, Resource: `arn:aws:s3:::${Bucket}/*`, Condition }
  await s3.send(new PutBucketPolicyCommand({ Bucket, Policy: JSON.stringify({ Version: '2012-10-17', Statement }) }))
  return Bucket
}

const etagOf = async (Bucket: string, Key: string) => (await s3.send(new HeadObjectCommand({ Bucket, Key }))).ETag ?? ''

async function rename(Bucket: string, headers: Record<string, string> = {}) {
  const request = { method: 'PUT', path: `/${Bucket}/b`, query: { renameObject: '' } }
  const { status, code } = await sendSigned(server, { ...request, headers: { 'x-amz-rename-source': 'a', ...headers } })
  return [status, code]
}

async function copy(Bucket: string, headers: Record<string, string>) {
  const request = { method: 'PUT', path: `/${Bucket}/c`, headers: { 'x-amz-copy-source': `/${Bucket}/a`, ...headers } }
  const { status, code } = await sendSigned(server, request)
  return [status, code]
}

it('does not take a condition on the new name for one on what goes', async () => {
  const Bucket = await newStrictBucket('s3:DeleteObject', { Null: { 's3:if-match': 'true' } })
  const [a, b] = [await etagOf(Bucket, 'a'), await etagOf(Bucket, 'b')]
  expect(await rename(Bucket)).toEqual(REFUSED)
  expect(await rename(Bucket, { 'if-match': b })).toEqual(REFUSED)
  expect(await etagOf(Bucket, 'a')).toBe(a)
  expect(await rename(Bucket, { 'x-amz-rename-source-if-match': a })).toEqual(DONE)
})

it.each([
  [{ 's3:RequestObjectTag/reviewed': 'yes' }, { 'x-amz-tagging': 'reviewed=yes' }],
  [{ 's3:x-amz-storage-class': 'STANDARD_IA' }, { 'x-amz-storage-class': 'STANDARD_IA' }],
])('does not believe what a rename says of the object: %j', async (StringNotEquals, headers) => {
  const Bucket = await newStrictBucket('s3:PutObject', { StringNotEquals })
  expect(await rename(Bucket, headers)).toEqual(REFUSED)
})

it('does not believe tags that a copy does not set', async () => {
  const Bucket = await newStrictBucket('s3:PutObject', { StringNotEquals: { 's3:RequestObjectTag/reviewed': 'yes' } })
  const headers = { 'x-amz-tagging': 'reviewed=yes' }
  expect(await copy(Bucket, headers)).toEqual(REFUSED)
  expect(await copy(Bucket, { ...headers, 'x-amz-tagging-directive': 'COPY' })).toEqual(REFUSED)
  expect(await copy(Bucket, { ...headers, 'x-amz-tagging-directive': 'REPLACE' })).toEqual(DONE)
  const { TagSet } = await s3.send(new GetObjectTaggingCommand({ Bucket, Key: 'c' }))
  expect(TagSet).toEqual([{ Key: 'reviewed', Value: 'yes' }])
})
