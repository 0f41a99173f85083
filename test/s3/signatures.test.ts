import { createHmac, randomBytes } from 'node:crypto'
import { GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { describe, expect, it } from 'vitest'
import { type RawResponse, send, sendSigned } from '../harness/raw-request.ts'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { presignQuery, signedChunks } from '../harness/sigv4-client.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite()
const s3 = s3Client(server, { checksums: 'WHEN_REQUIRED' })
const bucket = await newBucket(s3)
await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'signed' }))

const path = `/${bucket}/k`
const host = new URL(server.endpoint).host
const MINUTE_MS = 60_000

async function sendUrl(method: string, url: string, body?: string): Promise<RawResponse> {
  const { pathname, searchParams } = new URL(url)
  return await send(server, { method, path: pathname, query: Object.fromEntries(searchParams), ...(body && { body }) })
}

async function isAbsent(Key: string): Promise<boolean> {
  return (await failureOf(s3.send(new HeadObjectCommand({ Bucket: bucket, Key })))).status === 404
}

describe('presigned requests', () => {
  it('get and put without other credentials', async () => {
    const putUrl = await getSignedUrl(s3, new PutObjectCommand({ Bucket: bucket, Key: 'pre signed/ü' }))
    expect((await sendUrl('PUT', putUrl, 'by url')).status).toBe(200)
    const getUrl = await getSignedUrl(s3, new GetObjectCommand({ Bucket: bucket, Key: 'pre signed/ü' }))
    expect((await sendUrl('GET', getUrl)).body.toString()).toBe('by url')
  })

  it('keep the metadata that an SDK moves into the URL', async () => {
    const put = new PutObjectCommand({ Bucket: bucket, Key: 'by-url', Metadata: { colour: 'blue' } })
    const url = await getSignedUrl(s3, put)
    expect(new URL(url).searchParams.get('x-amz-meta-colour')).toBe('blue')
    expect((await sendUrl('PUT', url, 'x')).status).toBe(200)
    const { Metadata } = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: 'by-url' }))
    expect(Metadata).toEqual({ colour: 'blue' })
  })

  it('whose URL asks for an encryption that is not there are refused, and store nothing', async () => {
    const put = new PutObjectCommand({ Bucket: bucket, Key: 'never', ServerSideEncryption: 'aws:fs' as 'aws:kms' })
    const url = await getSignedUrl(s3, put, { hoistableHeaders: new Set(['x-amz-server-side-encryption']) })
    expect(new URL(url).searchParams.get('x-amz-server-side-encryption')).toBe('aws:fs')
    expect((await sendUrl('PUT', url, 'x')).status).toBe(400)
    expect(await isAbsent('never')).toBe(true)
  })

  it('carry overrides of response headers', async () => {
    const get = new GetObjectCommand({ Bucket: bucket, Key: 'k', ResponseContentDisposition: 'attachment' })
    expect((await sendUrl('GET', await getSignedUrl(s3, get))).headers['content-disposition']).toBe('attachment')
  })

  const presigned = (options: { date?: Date; expiresSeconds?: number }): Record<string, string> =>
    presignQuery(
      { method: 'GET', path, query: {}, headers: { host }, payloadHash: 'UNSIGNED-PAYLOAD' },
      server,
      options,
    )

  it('end with their time', async () => {
    const live = await send(server, { method: 'GET', path, query: presigned({ expiresSeconds: 60 }) })
    expect(live.status).toBe(200)
    const date = new Date(Date.now() - 2 * MINUTE_MS)
    const expired = await send(server, { method: 'GET', path, query: presigned({ date, expiresSeconds: 60 }) })
    expect([expired.status, expired.code]).toEqual([403, 'AccessDenied'])
    expect(expired.body.toString()).toContain('expired')
  })

  it.each([0, -1, 604_801, Number.NaN])('with X-Amz-Expires %d are refused', async (expiresSeconds) => {
    const answer = await send(server, { method: 'GET', path, query: presigned({ expiresSeconds }) })
    expect(answer.status).toBeGreaterThanOrEqual(400)
    expect(['AuthorizationQueryParametersError', 'AccessDenied']).toContain(answer.code)
  })

  it('that start in the future are refused', async () => {
    const date = new Date(Date.now() + 30 * MINUTE_MS)
    const answer = await send(server, { method: 'GET', path, query: presigned({ date }) })
    expect(answer.status).toBe(403)
  })

  it('are refused when anything signed was changed', async () => {
    const query = presigned({})
    const refused = async (raw: Parameters<typeof send>[1]): Promise<void> => {
      const answer = await send(server, raw)
      expect([answer.status, answer.code]).toEqual([403, 'SignatureDoesNotMatch'])
    }
    await refused({ method: 'GET', path: `${path}2`, query })
    await refused({ method: 'PUT', path, query, body: 'x' })
    await refused({ method: 'GET', path, query: { ...query, versionId: 'null' } })
    await refused({ method: 'GET', path, query: { ...query, 'X-Amz-Expires': '86400' } })
    const signature = query['X-Amz-Signature'] ?? ''
    await refused({
      method: 'GET',
      path,
      query: { ...query, 'X-Amz-Signature': signature.replace(/^./, (c) => (c === '0' ? '1' : '0')) },
    })
  })

  it('are refused when a parameter is missing', async () => {
    for (const name of ['X-Amz-Signature', 'X-Amz-Date', 'X-Amz-Credential', 'X-Amz-Expires', 'X-Amz-SignedHeaders']) {
      const query = Object.fromEntries(Object.entries(presigned({})).filter(([key]) => key !== name))
      const answer = await send(server, { method: 'GET', path, query })
      expect([400, 403], name).toContain(answer.status)
    }
  })
})

describe('signed headers', () => {
  const get = { method: 'GET', path }

  it('open the door', async () => {
    expect((await sendSigned(server, get)).body.toString()).toBe('signed')
  })

  it('of an unknown access key are refused', async () => {
    const keys = { accessKeyId: 'AKUNKNOWN', secretAccessKey: server.secretAccessKey }
    const answer = await sendSigned(server, get, { keys })
    expect([answer.status, answer.code]).toEqual([403, 'InvalidAccessKeyId'])
  })

  it('made with another secret are refused', async () => {
    const keys = { accessKeyId: server.accessKeyId, secretAccessKey: `${server.secretAccessKey}x` }
    const answer = await sendSigned(server, get, { keys })
    expect([answer.status, answer.code]).toEqual([403, 'SignatureDoesNotMatch'])
    expect(answer.body.toString()).not.toContain(server.secretAccessKey)
  })

  it.each([-16, 16])('%i minutes off are refused', async (minutes) => {
    const answer = await sendSigned(server, get, { date: new Date(Date.now() + minutes * MINUTE_MS) })
    expect([answer.status, answer.code]).toEqual([403, 'RequestTimeTooSkewed'])
  })

  it.each([-13, 13])('%i minutes off are accepted', async (minutes) => {
    expect((await sendSigned(server, get, { date: new Date(Date.now() + minutes * MINUTE_MS) })).status).toBe(200)
  })

  it('for another region are refused', async () => {
    const answer = await sendSigned(server, get, { region: 'mars-north-1' })
    expect([answer.status, answer.code]).toEqual([400, 'AuthorizationHeaderMalformed'])
  })

  it('may hold UTF-8: the bytes are what is signed', async () => {
    const headers = { 'x-amz-meta-name': 'žluťoučký kůň' }
    const bytes = Buffer.from(headers['x-amz-meta-name']).toString('latin1')
    const put = { method: 'PUT', path: `${path}-utf8`, headers }
    const tamper = (sent: Record<string, string>) => Object.assign(sent, { 'x-amz-meta-name': bytes })
    expect((await sendSigned(server, put, { tamper })).status).toBe(200)
    const other = (sent: Record<string, string>) => Object.assign(sent, { 'x-amz-meta-name': `${bytes}x` })
    expect((await sendSigned(server, put, { tamper: other })).code).toBe('SignatureDoesNotMatch')
    const head = await sendSigned(server, { method: 'HEAD', path: `${path}-utf8` })
    expect(head.headers['x-amz-meta-name']).toBe(
      `=?UTF-8?B?${Buffer.from(headers['x-amz-meta-name']).toString('base64')}?=`,
    )
  })

  it('of an expectation that is not known are passed over', async () => {
    const answer = await sendSigned(server, { method: 'PUT', path, headers: { expect: '200-ok' }, body: 'signed' })
    expect(answer.status).toBe(200)
  })

  it('changed on the way are refused', async () => {
    const answer = await sendSigned(
      server,
      { ...get, headers: { 'x-amz-meta-a': '1' } },
      { tamper: (headers) => Object.assign(headers, { 'x-amz-meta-a': '2' }) },
    )
    expect([answer.status, answer.code]).toEqual([403, 'SignatureDoesNotMatch'])
  })

  it('must hold every x-amz header', async () => {
    const signing = { tamper: (headers: Record<string, string>) => Object.assign(headers, { 'x-amz-meta-added': '1' }) }
    const answer = await sendSigned(server, { method: 'PUT', path, body: 'x' }, signing)
    expect([answer.status, answer.code]).toEqual([403, 'AccessDenied'])
  })

  it.each([
    ['no signature', 'AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, SignedHeaders=host'],
    ['no credential', 'AWS4-HMAC-SHA256 SignedHeaders=host, Signature=00'],
    ['a short credential', 'AWS4-HMAC-SHA256 Credential=a/20260101, SignedHeaders=host, Signature=00'],
    [
      'another service',
      'AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=00',
    ],
  ])('with %s are malformed', async (_what, authorization) => {
    const answer = await sendSigned(server, get, { tamper: (headers) => Object.assign(headers, { authorization }) })
    expect([answer.status, answer.code]).toEqual([400, 'AuthorizationHeaderMalformed'])
  })

  it.each(['Basic dXNlcjpwYXNz', 'AWS4-HMAC-SHA256', 'AWS AKID:c2lnbmF0dXJl', 'Bearer token', 'AWS5-HMAC-SHA512 x'])(
    'of another kind (%s) are refused',
    async (authorization) => {
      const answer = await send(server, { ...get, headers: { authorization } })
      expect([400, 403]).toContain(answer.status)
      expect(answer.code).not.toBe('InternalError')
    },
  )

  it('of version 2 are refused where nobody has allowed them, however right they are', async () => {
    const date = new Date().toUTCString()
    const signature = createHmac('sha1', server.secretAccessKey).update(`GET\n\n\n${date}\n${path}`).digest('base64')
    const headers = { date, authorization: `AWS ${server.accessKeyId}:${signature}` }
    const answer = await send(server, { method: 'GET', path, headers })
    expect([answer.status, answer.code]).toEqual([400, 'InvalidRequest'])
  })

  it('are needed: nobody is let in without', async () => {
    for (const raw of [
      get,
      { method: 'GET', path: '/' },
      { method: 'DELETE', path },
      { method: 'PUT', path: '/new-bucket' },
    ]) {
      const answer = await send(server, raw)
      expect([answer.status, answer.code]).toEqual([403, 'AccessDenied'])
    }
  })
})

describe('signed payloads', () => {
  it('of another hash are refused and not stored', async () => {
    const raw = { method: 'PUT', path: `/${bucket}/hash`, body: 'true body' }
    const answer = await sendSigned(server, raw, { payloadHash: '0'.repeat(64) })
    expect([answer.status, answer.code]).toEqual([400, 'XAmzContentSHA256Mismatch'])
    expect(await isAbsent('hash')).toBe(true)
  })

  it('may be left unsigned over TLS', async () => {
    const raw = { method: 'PUT', path: `/${bucket}/unsigned`, body: 'x' }
    expect((await sendSigned(server, raw, { payloadHash: 'UNSIGNED-PAYLOAD' })).status).toBe(200)
  })

  it('with a hash that is none are refused', async () => {
    const answer = await sendSigned(server, { method: 'PUT', path, body: 'x' }, { payloadHash: 'SHA256-OF-NOTHING' })
    expect(answer.status).toBe(400)
  })
})

describe('chunks with signatures', () => {
  const payload = randomBytes(200_000)
  const STREAMING = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD'

  async function put(
    key: string,
    sizeBytes: number,
    change: (body: Buffer) => Buffer = (body) => body,
  ): Promise<RawResponse> {
    const headers = { 'x-amz-decoded-content-length': String(sizeBytes), 'content-encoding': 'aws-chunked,gzip' }
    return await sendSigned(
      server,
      { method: 'PUT', path: `/${bucket}/${key}`, headers },
      { payloadHash: STREAMING, chunked: (seed) => change(signedChunks(payload, 65_536, seed)) },
    )
  }

  it('arrive as the payload, without their framing', async () => {
    const answer = await put('chunked', payload.length)
    expect([answer.status, answer.code]).toEqual([200, ''])
    const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'chunked' }))
    expect(got.ContentEncoding).toBe('gzip')
    expect((await bytesOf(got)).equals(payload)).toBe(true)
  })

  it('changed on the way are refused and not stored', async () => {
    const flip = (at: number) => (body: Buffer) => {
      body[at] = (body[at] ?? 0) ^ 1
      return body
    }
    for (const at of [200, 100_000, 190_000]) {
      const answer = await put(`flipped-${at}`, payload.length, flip(at))
      expect([answer.status, answer.code]).toEqual([403, 'SignatureDoesNotMatch'])
      expect(await isAbsent(`flipped-${at}`)).toBe(true)
    }
  })

  it('cut off, extended or of another length are refused and not stored', async () => {
    const cut = await put('cut', payload.length, (body) => body.subarray(0, 70_000)).catch(() => undefined)
    if (cut) expect(cut.status).toBeGreaterThanOrEqual(400)
    const noEnd = await put('no-end', payload.length, (body) => body.subarray(0, body.length - 90)).catch(
      () => undefined,
    )
    if (noEnd) expect(noEnd.status).toBeGreaterThanOrEqual(400)
    expect((await put('short', payload.length - 1)).status).toBeGreaterThanOrEqual(400)
    expect((await put('long', payload.length + 1)).status).toBeGreaterThanOrEqual(400)
    for (const key of ['cut', 'no-end', 'short', 'long']) expect(await isAbsent(key), key).toBe(true)
  })

  it('in another order are refused', async () => {
    const chunkBytes = 65_536 + '10000;chunk-signature='.length + 64 + 4
    const swap = (body: Buffer): Buffer =>
      Buffer.concat([
        body.subarray(chunkBytes, 2 * chunkBytes),
        body.subarray(0, chunkBytes),
        body.subarray(2 * chunkBytes),
      ])
    expect((await put('swapped', payload.length, swap)).code).toBe('SignatureDoesNotMatch')
  })

  it('of broken framing are refused', async () => {
    const framings = [
      'zz;chunk-signature=00\r\n',
      '5\r\nhello\r\n0\r\n\r\n',
      '',
      '0;chunk-signature=\r\n\r\n',
      'f'.repeat(40),
      `5;${'x'.repeat(100_000)}\r\n`,
    ]
    for (const framing of framings) {
      const answer = await put('framing', 5, () => Buffer.from(framing)).catch(() => undefined)
      if (answer) {
        expect(answer.status, framing.slice(0, 20)).toBeGreaterThanOrEqual(400)
        expect(answer.status, framing.slice(0, 20)).toBeLessThan(500)
      }
    }
    expect(await isAbsent('framing')).toBe(true)
  })
})
