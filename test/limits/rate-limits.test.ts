import { ListBucketsCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sendSigned } from '../harness/raw-request.ts'
import { failureOf, s3Client } from '../harness/s3.ts'
import { type CofferServer, startServer } from '../harness/start-server.ts'
import { callSts } from '../iam/query-api.ts'
import { callKms } from '../kms-api/kms-client.ts'

describe('a server with rate limits', () => {
  let server: CofferServer
  beforeAll(async () => {
    const env = { COFFER_RATE_LIMIT_PER_ACCESS_KEY: '5', COFFER_FAILED_SIGNATURES_PER_MINUTE: '5' }
    server = await startServer({ workers: 1, env })
  })
  afterAll(() => server?.dispose())

  it('answers a burst of an access key, then SlowDown with Retry-After, and goes on as the tokens flow in', async () => {
    const s3 = s3Client(server, { maxSockets: 20 })
    const list = () =>
      s3.send(new ListBucketsCommand({})).then(
        () => 'ok',
        (error: Error) => error.name,
      )
    const outcomes = await Promise.all(Array.from({ length: 200 }, list))
    expect(new Set(outcomes)).toEqual(new Set(['ok', 'SlowDown']))
    expect(outcomes.filter((outcome) => outcome === 'ok').length).toBeGreaterThanOrEqual(10)
    const refused = await Promise.all(
      Array.from({ length: 100 }, () => sendSigned(server, { method: 'GET', path: '/' })),
    )
    const slowed = refused.find(({ code }) => code === 'SlowDown')
    expect(slowed).toMatchObject({ status: 503, headers: { 'retry-after': '1' } })
    const throttled = await Promise.all(Array.from({ length: 100 }, () => callKms(server, 'ListKeys', {})))
    expect(throttled.some(({ type }) => type === 'ThrottlingException')).toBe(true)
    await expect.poll(list, { timeout: 60_000, interval: 300 }).toBe('ok')
  })

  it('slows down who guesses, tells them nothing more, and lets in whoever knows the key all the same', async () => {
    const wrong = { ...server, secretAccessKey: 'a-wrong-secret-access-key' }
    const unknown = { ...server, accessKeyId: 'AKUNKNOWN000' }
    const codes: string[] = []
    for (let count = 0; count < 6; count++) {
      codes.push((await sendSigned(wrong, { method: 'GET', path: '/' })).code)
      codes.push((await sendSigned(unknown, { method: 'GET', path: '/' })).code)
    }
    expect(codes.slice(0, 2)).toEqual(['SignatureDoesNotMatch', 'InvalidAccessKeyId'])
    expect(codes.slice(-2)).toEqual(['SlowDown', 'SlowDown'])
    const s3 = s3Client(server)
    const list = () => failureOf(s3.send(new ListBucketsCommand({}))).catch(() => 'ok')
    await expect.poll(list, { timeout: 60_000, interval: 300 }).toBe('ok')
  })
})

describe('a server with a limit for each address', () => {
  it('holds to it who brings another proof than a signature, too', async () => {
    const env = { COFFER_RATE_LIMIT_PER_ADDRESS: '2', COFFER_FAILED_SIGNATURES_PER_MINUTE: '1' }
    const server = await startServer({ workers: 1, env })
    try {
      const guess = () => callSts(server, 'AssumeRoleWithWebIdentity', { WebIdentityToken: 'x.y.z' }, 'none')
      const answers = await Promise.all(Array.from({ length: 60 }, guess))
      expect(answers.filter(({ code }) => code === 'Throttling').length).toBeGreaterThan(10)
    } finally {
      await server.dispose()
    }
  })
})
