import { createHmac } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { send } from '../harness/raw-request.ts'
import { newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite({ env: { COFFER_SIGNATURE_VERSION_2: 'allowed' } })
const s3 = s3Client(server)
let bucket = ''
beforeAll(async () => {
  bucket = await newBucket(s3)
})

const sign = (text: string, secret = server.secretAccessKey) => createHmac('sha1', secret).update(text).digest('base64')

interface Signed {
  readonly method?: string
  readonly path: string
  readonly resource?: string
  readonly date?: string
  readonly amz?: Readonly<Record<string, string>>
  readonly secret?: string
  readonly accessKeyId?: string
  readonly body?: string
}

/** A request signed with version 2; `resource` is what is signed of its path. */
async function request({ method = 'GET', path, resource = path, date, amz = {}, secret, accessKeyId, body }: Signed) {
  const Date_ = date ?? new Date().toUTCString()
  const amzLines = Object.entries(amz)
    .map(([name, value]) => `${name}:${value}\n`)
    .join('')
  const signature = sign(`${method}\n\n\n${Date_}\n${amzLines}${resource}`, secret)
  const authorization = `AWS ${accessKeyId ?? server.accessKeyId}:${signature}`
  const answer = await send(server, {
    method,
    path,
    headers: { date: Date_, authorization, ...amz },
    ...(body && { body }),
  })
  return { status: answer.status, text: answer.body.toString() }
}

describe('Signature Version 2, where it is allowed', () => {
  it('signs requests: names, x-amz- headers and what is asked of a name', async () => {
    const amz = { 'x-amz-meta-m': 'one' }
    expect((await request({ method: 'PUT', path: `/${bucket}/k%20y`, amz, body: 'data' })).status).toBe(200)
    expect(await request({ path: `/${bucket}/k%20y` })).toEqual({ status: 200, text: 'data' })
    const listing = await request({ path: `/${bucket}?prefix=k&versions`, resource: `/${bucket}?versions` })
    expect(listing.text).toContain('<Key>k y</Key>')
  })

  it('signs URLs that end at a time', async () => {
    const url = (expires: number) => {
      const signature = sign(`GET\n\n\n${expires}\n/${bucket}/k%20y`)
      const query = new URLSearchParams({
        AWSAccessKeyId: server.accessKeyId,
        Expires: String(expires),
        Signature: signature,
      })
      return send(server, { method: 'GET', path: `/${bucket}/k%20y?${query}` })
    }
    const now = Math.floor(Date.now() / 1000)
    expect((await url(now + 60)).status).toBe(200)
    const late = await url(now - 1)
    expect([late.status, late.body.toString()]).toEqual([403, expect.stringContaining('Request has expired')])
  })

  it('is refused when it is not right, of nobody known, or not timely', async () => {
    const path = `/${bucket}/k%20y`
    const codeOf = async (signed: Partial<Signed>) =>
      /<Code>(.*?)<\/Code>/.exec((await request({ path, ...signed })).text)?.[1]
    expect(await codeOf({ secret: 'another secret' })).toBe('SignatureDoesNotMatch')
    expect(await codeOf({ resource: `/${bucket}/other` })).toBe('SignatureDoesNotMatch')
    expect(await codeOf({ accessKeyId: 'AKIANOBODY0000000000' })).toBe('InvalidAccessKeyId')
    expect(await codeOf({ date: new Date(Date.now() - 3_600_000).toUTCString() })).toBe('RequestTimeTooSkewed')
    expect(await codeOf({ date: 'Bad Date' })).toBe('AccessDenied')
    expect(await codeOf({ date: 'Tue, 07 Jul 1950 21:53:04 GMT' })).toBe('AccessDenied')
    const bare = await send(server, { method: 'GET', path, headers: { authorization: 'AWS HAHAHA' } })
    expect(bare.status).toBe(403)
  })

  it.each([
    ['PUT', 'k%20y', 'encryption'],
    ['GET', 'k%20y', 'attributes'],
    ['DELETE', '', 'encryption'],
    ['GET', '', 'events=s3:ObjectCreated:*'],
    ['POST', '', 'x-coffer-rekey'],
  ])('is no signature for another operation: %s of /%s is none of ?%s', async (method, key, query) => {
    const resource = `/${bucket}/${key}`
    const answer = await request({ method, path: `${resource}?${query}`, resource })
    expect([answer.status, answer.text]).toEqual([403, expect.stringContaining('SignatureDoesNotMatch')])
  })
})
