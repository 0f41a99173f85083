import { DeleteBucketCorsCommand, GetBucketCorsCommand, PutBucketCorsCommand } from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { type RawResponse, send, sendSigned } from '../harness/raw-request.ts'
import { failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite()
const s3 = s3Client(server)
const bucket = await newBucket(s3)
const path = `/${bucket}/key`
const ORIGIN = 'https://app.example'
const CORSRules = [
  { AllowedOrigins: [ORIGIN], AllowedMethods: ['PUT', 'GET'], AllowedHeaders: ['x-amz-*'], ExposeHeaders: ['ETag'] },
  { AllowedOrigins: ['*'], AllowedMethods: ['HEAD'], MaxAgeSeconds: 60 },
]
await s3.send(new PutBucketCorsCommand({ Bucket: bucket, CORSConfiguration: { CORSRules } }))

async function preflight(headers: Readonly<Record<string, string>>, to = path): Promise<RawResponse> {
  return await send(server, { method: 'OPTIONS', path: to, headers })
}

describe('a CORS configuration', () => {
  it('is put, shown and deleted', async () => {
    const other = await newBucket(s3)
    const absent = { code: 'NoSuchCORSConfiguration', status: 404 }
    expect(await failureOf(s3.send(new GetBucketCorsCommand({ Bucket: other })))).toEqual(absent)
    await s3.send(new PutBucketCorsCommand({ Bucket: other, CORSConfiguration: { CORSRules } }))
    expect((await s3.send(new GetBucketCorsCommand({ Bucket: other }))).CORSRules).toEqual(CORSRules)
    await s3.send(new DeleteBucketCorsCommand({ Bucket: other }))
    expect(await failureOf(s3.send(new GetBucketCorsCommand({ Bucket: other })))).toEqual(absent)
    const asked = { origin: ORIGIN, 'access-control-request-method': 'GET' }
    expect((await preflight(asked, `/${other}/key`)).code).toBe('AccessForbidden')
  })
})

describe('a preflight', () => {
  it('that a rule allows is answered with what is allowed', async () => {
    const answer = await preflight({
      origin: ORIGIN,
      'access-control-request-method': 'PUT',
      'access-control-request-headers': 'X-Amz-Date, x-amz-meta-a',
    })
    expect(answer.status).toBe(200)
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': ORIGIN,
      'access-control-allow-methods': 'PUT, GET',
      'access-control-allow-headers': 'x-amz-date, x-amz-meta-a',
      'access-control-expose-headers': 'ETag',
      vary: expect.stringContaining('Origin'),
    })
  })

  it('may name a sub-resource or be a presigned URL', async () => {
    const headers = { origin: ORIGIN, 'access-control-request-method': 'PUT' }
    const query = { uploadId: 'u', partNumber: '1', 'X-Amz-Signature': 'x' }
    expect((await send(server, { method: 'OPTIONS', path, query, headers })).status).toBe(200)
  })

  it.each([
    ['another origin', { origin: 'https://evil.example', 'access-control-request-method': 'PUT' }],
    ['another method', { origin: ORIGIN, 'access-control-request-method': 'DELETE' }],
    [
      'another header',
      { origin: ORIGIN, 'access-control-request-method': 'PUT', 'access-control-request-headers': 'content-type' },
    ],
  ])('of %s is refused, with no word of CORS', async (_what, headers) => {
    const answer = await preflight(headers)
    expect([answer.status, answer.code]).toEqual([403, 'AccessForbidden'])
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control-'))).toEqual([])
  })

  it.each([
    ['no origin', { 'access-control-request-method': 'PUT' }],
    ['no method', { origin: ORIGIN }],
    ['a method that is none', { origin: ORIGIN, 'access-control-request-method': 'put it' }],
  ])('with %s is a bad request', async (_what, headers) => {
    expect((await preflight(headers)).status).toBe(400)
  })

  it('of a bucket that is not there is refused as one of a bucket without rules', async () => {
    const asked = { origin: ORIGIN, 'access-control-request-method': 'GET' }
    const answer = await preflight(asked, '/no-such-bucket-here/key')
    expect([answer.status, answer.code]).toEqual([403, 'AccessForbidden'])
  })
})

describe('a request across origins', () => {
  it('is answered with the rule, and is still to be allowed', async () => {
    const put = await sendSigned(server, { method: 'PUT', path, headers: { origin: ORIGIN }, body: 'x' })
    expect([put.status, put.headers['access-control-allow-origin']]).toEqual([200, ORIGIN])
    const refused = await send(server, { method: 'GET', path, headers: { origin: ORIGIN } })
    expect([refused.status, refused.headers['access-control-allow-origin']]).toEqual([403, ORIGIN])
    const missing = await sendSigned(server, { method: 'GET', path: `${path}-absent`, headers: { origin: ORIGIN } })
    expect([missing.status, missing.headers['access-control-allow-origin']]).toEqual([404, ORIGIN])
  })

  it('from anywhere is told so, without credentials', async () => {
    const head = await sendSigned(server, { method: 'HEAD', path, headers: { origin: 'https://any.example' } })
    expect(head.headers['access-control-allow-origin']).toBe('*')
    expect(head.headers['access-control-max-age']).toBe('60')
    expect(head.headers).not.toHaveProperty('access-control-allow-credentials')
  })

  it('that no rule allows is served without a word of CORS: the browser keeps it from the page', async () => {
    const get = await sendSigned(server, { method: 'GET', path, headers: { origin: 'https://evil.example' } })
    expect(get.status).toBe(200)
    expect(Object.keys(get.headers).filter((name) => name.startsWith('access-control-'))).toEqual([])
    expect(get.headers.vary).toContain('Origin')
    const without = await sendSigned(server, { method: 'GET', path })
    expect(without.headers).not.toHaveProperty('access-control-allow-origin')
  })
})
