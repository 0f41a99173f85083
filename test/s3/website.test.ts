import {
  DeleteBucketWebsiteCommand,
  GetBucketWebsiteCommand,
  PutBucketPolicyCommand,
  PutBucketWebsiteCommand,
  PutObjectCommand,
  type WebsiteConfiguration,
} from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { send } from '../harness/raw-request.ts'
import { failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const DOMAIN = 'sites.example.org'
const server = await serverForSuite({ env: { COFFER_PUBLIC_ACCESS: 'allowed', COFFER_WEBSITE_DOMAINS: DOMAIN } })
const s3 = s3Client(server)

async function site(
  WebsiteConfiguration: WebsiteConfiguration,
  keys: Readonly<Record<string, object>> = {},
): Promise<string> {
  const Bucket = await newBucket(s3)
  const Statement = { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: `arn:aws:s3:::${Bucket}/*` }
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement })
  await s3.send(new PutBucketPolicyCommand({ Bucket, Policy }))
  for (const [Key, more] of Object.entries(keys)) {
    await s3.send(new PutObjectCommand({ Bucket, Key, Body: `page ${Key}`, ContentType: 'text/html', ...more }))
  }
  await s3.send(new PutBucketWebsiteCommand({ Bucket, WebsiteConfiguration }))
  return Bucket
}

async function visit(bucket: string, path: string, method = 'GET') {
  const answer = await send(server, { method, path, headers: { host: `${bucket}.${DOMAIN}` } })
  return {
    status: answer.status,
    location: answer.headers.location,
    text: answer.body.toString(),
    headers: answer.headers,
  }
}

describe('a static website', () => {
  it('shows the index of each folder, and sends who forgot the slash there', async () => {
    const bucket = await site(
      { IndexDocument: { Suffix: 'index.html' } },
      { 'index.html': {}, 'docs/index.html': {}, plain: {} },
    )
    expect(await visit(bucket, '/')).toMatchObject({ status: 200, text: 'page index.html' })
    expect(await visit(bucket, '/docs/')).toMatchObject({ status: 200, text: 'page docs/index.html' })
    expect(await visit(bucket, '/docs')).toMatchObject({ status: 302, location: '/docs/' })
    expect((await visit(bucket, '/plain')).headers['content-type']).toBe('text/html')
    expect(await visit(bucket, '/plain', 'HEAD')).toMatchObject({ status: 200, text: '' })
    expect((await visit(bucket, '/plain?acl')).text).toBe('page plain')
  })

  it('answers errors in HTML, with its own page where it has one, and never more than is public', async () => {
    const bare = await site({ IndexDocument: { Suffix: 'index.html' } })
    // Nobody may list it, so nobody is told that nothing is there.
    expect(await visit(bare, '/none')).toMatchObject({
      status: 403,
      text: expect.stringContaining('<h1>403 AccessDenied</h1>'),
    })
    const own = await site({ IndexDocument: { Suffix: 'i' }, ErrorDocument: { Key: 'oops.html' } }, { 'oops.html': {} })
    expect(await visit(own, '/none')).toMatchObject({ status: 403, text: 'page oops.html' })
    const closed = await newBucket(s3)
    await s3.send(new PutObjectCommand({ Bucket: closed, Key: 'index.html', Body: 'secret' }))
    expect((await visit(closed, '/')).text).toContain('404 NoSuchWebsiteConfiguration')
    const WebsiteConfiguration = { IndexDocument: { Suffix: 'index.html' } }
    await s3.send(new PutBucketWebsiteCommand({ Bucket: closed, WebsiteConfiguration }))
    expect(await visit(closed, '/')).toMatchObject({ status: 403, text: expect.not.stringContaining('secret') })
    expect((await visit('no-such-bucket-anywhere', '/<script>')).text).not.toContain('<script>')
    expect((await visit(own, '/oops.html', 'DELETE')).status).toBe(405)
  })

  it('redirects by rules, by objects, and as a whole', async () => {
    const RoutingRules = [
      { Condition: { KeyPrefixEquals: 'old/' }, Redirect: { ReplaceKeyPrefixWith: 'new/', HttpRedirectCode: '302' } },
      {
        Condition: { HttpErrorCodeReturnedEquals: '403' },
        Redirect: { HostName: 'help.example.org', Protocol: 'https' as const },
      },
    ]
    const moved = { WebsiteRedirectLocation: 'https://elsewhere.example.org/x' }
    const bucket = await site({ IndexDocument: { Suffix: 'index.html' }, RoutingRules }, { moved })
    const host = `${bucket}.${DOMAIN}`
    expect(await visit(bucket, '/old/a%20b')).toMatchObject({ status: 302, location: `https://${host}/new/a%20b` })
    expect(await visit(bucket, '/none')).toMatchObject({ status: 301, location: 'https://help.example.org/none' })
    expect(await visit(bucket, '/moved')).toMatchObject({ status: 301, location: moved.WebsiteRedirectLocation })
    const all = await site({ RedirectAllRequestsTo: { HostName: 'www.example.org', Protocol: 'http' } })
    expect(await visit(all, '/a/b')).toMatchObject({ status: 301, location: 'http://www.example.org/a/b' })
  })

  it('is configured as AWS configures it', async () => {
    const rule = { Condition: { KeyPrefixEquals: 'a' }, Redirect: { ReplaceKeyWith: 'b', HttpRedirectCode: '307' } }
    const configuration = { IndexDocument: { Suffix: 'i' }, ErrorDocument: { Key: 'e' }, RoutingRules: [rule] }
    const Bucket = await site(configuration)
    const { $metadata: _, ...shown } = await s3.send(new GetBucketWebsiteCommand({ Bucket }))
    expect(shown).toEqual(configuration)
    const refusal = (WebsiteConfiguration: WebsiteConfiguration) =>
      failureOf(s3.send(new PutBucketWebsiteCommand({ Bucket, WebsiteConfiguration })))
    expect((await refusal({ IndexDocument: { Suffix: 'a/b' } })).code).toBe('InvalidArgument')
    expect((await refusal({})).code).toBe('MalformedXML')
    expect((await refusal({ RedirectAllRequestsTo: { HostName: 'a\r\nb: c' } })).code).toBe('InvalidArgument')
    await s3.send(new DeleteBucketWebsiteCommand({ Bucket }))
    expect((await failureOf(s3.send(new GetBucketWebsiteCommand({ Bucket })))).code).toBe('NoSuchWebsiteConfiguration')
  })
})
