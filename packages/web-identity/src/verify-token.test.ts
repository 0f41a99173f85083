import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { claimedIssuer, WebIdentityVerifier } from './index.ts'

/** A provider whose every answer can be spoilt. `oidc-provider`, a real one, is used in `test/iam`. */
const server = createServer((request, response) => {
  const answer = answers[request.url ?? '']
  requests.push(request.url ?? '')
  if (answer === undefined) response.writeHead(404).end()
  else
    response.writeHead(answer.status ?? 200, { 'content-type': 'application/json', ...answer.headers }).end(answer.body)
})
const answers: Record<string, { body: string; status?: number; headers?: Record<string, string> } | undefined> = {}
const requests: string[] = []
let issuer = ''
let keys: Awaited<ReturnType<typeof makeKey>>

async function makeKey(kid: string, algorithm = 'RS256') {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true })
  return { kid, algorithm, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: algorithm, use: 'sig' } }
}

function publish(...published: JWK[]): void {
  answers['/keys'] = { body: JSON.stringify({ keys: published }) }
}

function describeProvider(changes: Record<string, unknown> = {}): void {
  const metadata = {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    jwks_uri: `${issuer}/keys`,
    response_types_supported: ['code'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
    ...changes,
  }
  answers['/.well-known/openid-configuration'] = { body: JSON.stringify(metadata) }
}

async function token(claims: JWTPayload = {}, by = keys): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  return await new SignJWT({ iss: issuer, sub: 'alice', aud: 'coffer', iat: now, exp: now + 300, ...claims })
    .setProtectedHeader({ alg: by.algorithm, kid: by.kid })
    .sign(by.privateKey)
}

const newVerifier = (failedForMs = 10_000) => new WebIdentityVerifier({ hosts: ['127.0.0.1'], failedForMs })
const trusted = (clientIds = ['coffer']) => ({ issuer, clientIds })

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  keys = await makeKey('k1')
  describeProvider()
  publish(keys.jwk)
})
afterAll(() => server.close())

describe('an identity token', () => {
  it('tells who it is about, with claims as texts', async () => {
    const jwt = await token({ groups: ['ops', 'dev'], email_verified: true, level: 3, nested: { a: 1 } })
    const who = await newVerifier().verify(jwt, trusted())
    expect(who).toMatchObject({ issuer, subject: 'alice', audience: 'coffer' })
    expect(who.claims).toMatchObject({ groups: ['ops', 'dev'], email_verified: 'true', level: '3' })
    expect(who.claims).toMatchObject({ 'nested.a': '1' })
    expect(who.claims).not.toHaveProperty('nested')
    expect(claimedIssuer(jwt)).toBe(issuer)
  })

  it('of several audiences is for the client that it was made for', async () => {
    const verifier = newVerifier()
    const several = { aud: ['account', 'coffer'] }
    expect((await verifier.verify(await token(several), trusted())).audience).toBe('coffer')
    const forOther = verifier.verify(await token({ ...several, azp: 'account' }), trusted())
    await expect(forOther).rejects.toMatchObject({ code: 'WEB_IDENTITY_TOKEN_INVALID' })
    const forListed = await verifier.verify(await token({ ...several, azp: 'cli' }), trusted(['coffer', 'cli']))
    expect(forListed.audience).toBe('cli')
  })

  it('is believed within a minute of clock skew, no more', async () => {
    const now = Math.floor(Date.now() / 1000)
    const verifier = newVerifier()
    await verifier.verify(await token({ exp: now - 30 }), trusted())
    await verifier.verify(await token({ iat: now + 30, nbf: now + 30 }), trusted())
    const expired = verifier.verify(await token({ exp: now - 90 }), trusted())
    await expect(expired).rejects.toMatchObject({ code: 'WEB_IDENTITY_TOKEN_EXPIRED' })
    const early = verifier.verify(await token({ iat: now + 90 }), trusted())
    await expect(early).rejects.toMatchObject({ code: 'WEB_IDENTITY_TOKEN_INVALID' })
  })

  it.each([
    ['of another issuer', { iss: 'https://elsewhere.example' }],
    ['for another client', { aud: 'someone-else' }],
    ['about nobody', { sub: '' }],
    ['without a subject', { sub: undefined }],
    ['without an end', { exp: undefined }],
    ['without a beginning', { iat: undefined }],
  ])('%s is refused', async (_what, claims) => {
    const verified = newVerifier().verify(await token(claims as JWTPayload), trusted())
    await expect(verified).rejects.toMatchObject({ code: 'WEB_IDENTITY_TOKEN_INVALID' })
  })

  it('is refused unsigned, signed by a shared secret, by a stranger, or changed', async () => {
    const verifier = newVerifier()
    const good = await token()
    const [, body = '', signature = ''] = good.split('.')
    const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${body}.`
    const shared = await new SignJWT({ iss: issuer, sub: 'a', aud: 'coffer', iat: 1, exp: 9e9 })
      .setProtectedHeader({ alg: 'HS256', kid: 'k1' })
      .sign(Buffer.from(JSON.stringify(keys.jwk)))
    const stranger = await token({}, { ...(await makeKey('k1')), kid: 'k1' })
    const changed = `${good.split('.')[0]}.${Buffer.from(JSON.stringify({ sub: 'root' })).toString('base64url')}.${signature}`
    for (const forged of [unsigned, shared, stranger, changed, '', 'a.b.c']) {
      await expect(verifier.verify(forged, trusted())).rejects.toMatchObject({ code: 'WEB_IDENTITY_TOKEN_INVALID' })
    }
  })

  it('that is refused is not quoted', async () => {
    const jwt = await token({ aud: 'someone-else', secret: 'hunter2' })
    const error = await newVerifier()
      .verify(jwt, trusted())
      .catch((e: unknown) => e)
    expect(JSON.stringify(error) + String(error) + String((error as Error).cause)).not.toMatch(/hunter2|eyJ/)
  })
})

describe('a provider', () => {
  it('may sign with elliptic curves', async () => {
    const ec = await makeKey('ec', 'ES256')
    publish(keys.jwk, ec.jwk)
    await expect(newVerifier().verify(await token({}, ec), trusted())).resolves.toBeDefined()
    publish(keys.jwk)
  })

  it('may turn its keys over; a new one is fetched when it is first named, and a flood of unknown ones is not', async () => {
    const verifier = newVerifier()
    await verifier.verify(await token(), trusted())
    const next = await makeKey('k2')
    publish(keys.jwk, next.jwk)
    requests.length = 0
    const stranger = await makeKey('k3')
    for (let i = 0; i < 20; i++) await verifier.verify(await token({}, stranger), trusted()).catch(() => {})
    expect(requests.filter((url) => url === '/keys').length).toBeLessThanOrEqual(1)
    const fresh = newVerifier()
    await expect(fresh.verify(await token({}, next), trusted())).resolves.toBeDefined()
    publish(keys.jwk)
  })

  it('that is away is not asked for every token, and asked again after a while', async () => {
    const patient = newVerifier()
    answers['/.well-known/openid-configuration'] = { status: 503, body: '' }
    requests.length = 0
    for (let attempt = 0; attempt < 5; attempt++) {
      await expect(patient.verify(await token(), trusted())).rejects.toBeDefined()
    }
    expect(requests).toHaveLength(1)
    const verifier = newVerifier(0)
    await expect(verifier.verify(await token(), trusted())).rejects.toMatchObject({
      code: expect.stringMatching(/^WEB_IDENTITY_PROVIDER_/),
    })
    describeProvider()
    await expect(verifier.verify(await token(), trusted())).resolves.toBeDefined()
    const nobody = { issuer: 'http://127.0.0.1:1', clientIds: ['coffer'] }
    await expect(verifier.verify(await token(), nobody)).rejects.toMatchObject({
      code: 'WEB_IDENTITY_PROVIDER_UNREACHABLE',
    })
  })

  it('is not asked where it is not listed, or keeps its keys where nobody may look', async () => {
    const refused = { code: 'WEB_IDENTITY_PROVIDER_REFUSED' }
    const others = new WebIdentityVerifier({ hosts: ['login.example.org'] })
    await expect(others.verify(await token(), trusted())).rejects.toMatchObject(refused)
    const anyPublic = new WebIdentityVerifier({ hosts: [] })
    requests.length = 0
    await expect(anyPublic.verify(await token(), trusted())).rejects.toMatchObject(refused)
    expect(requests).toEqual([])
    describeProvider({ jwks_uri: 'http://169.254.169.254/latest/meta-data/' })
    await expect(newVerifier().verify(await token(), trusted())).rejects.toMatchObject(refused)
    describeProvider({ jwks_uri: `http://localhost:${new URL(issuer).port}/keys` })
    await expect(newVerifier().verify(await token(), trusted())).rejects.toMatchObject(refused)
    describeProvider()
  })

  it.each([
    ['names another issuer', { issuer: 'https://evil.example' }],
    ['has no keys', { jwks_uri: undefined }],
    ['keeps its keys in a file', { jwks_uri: 'file:///etc/passwd' }],
  ])('that %s is refused', async (_what, changes) => {
    describeProvider(changes)
    await expect(newVerifier().verify(await token(), trusted())).rejects.toMatchObject({
      code: 'WEB_IDENTITY_PROVIDER_INVALID',
    })
    describeProvider()
  })

  it('sends nobody elsewhere, and cannot fill the memory', async () => {
    answers['/keys'] = { status: 302, headers: { location: 'http://127.0.0.1:1/' }, body: '' }
    await expect(newVerifier().verify(await token(), trusted())).rejects.toBeDefined()
    answers['/keys'] = { body: JSON.stringify({ keys: [], padding: 'x'.repeat(2 * 1024 * 1024) }) }
    await expect(newVerifier().verify(await token(), trusted())).rejects.toMatchObject({
      code: 'WEB_IDENTITY_PROVIDER_INVALID',
    })
    publish(keys.jwk)
  })

  it.each([
    'http://login.example.org',
    'https://a:b@login.example.org',
    'https://x.example/?a=1',
    'ldap://x',
    'nonsense',
  ])('is not reached at %s', async (url) => {
    const verified = newVerifier().verify(await token(), { issuer: url, clientIds: ['coffer'] })
    await expect(verified).rejects.toMatchObject({ code: 'WEB_IDENTITY_PROVIDER_INVALID' })
  })
})

describe('session tags of a token', () => {
  const CLAIM = 'https://aws.amazon.com/tags'
  const tagsOf = async (claim: unknown) =>
    (await newVerifier().verify(await token({ [CLAIM]: claim }), trusted())).sessionTags

  it('are one value each, alone or in a list', async () => {
    const claim = { principal_tags: { team: ['blue'], site: 'north' }, transitive_tag_keys: ['team'] }
    expect(await tagsOf(claim)).toEqual({ tags: { team: 'blue', site: 'north' }, transitiveTagKeys: ['team'] })
    expect(await tagsOf(undefined)).toEqual({ tags: {}, transitiveTagKeys: [] })
  })

  it.each([
    ['several values', { principal_tags: { team: ['blue', 'red'] } }],
    ['names that differ by case alone', { principal_tags: { team: ['blue'], TEAM: ['red'] } }],
    ['a transitive tag that is none of them', { principal_tags: {}, transitive_tag_keys: ['team'] }],
    ['no structure', 'team=blue'],
    ['what no tag may hold', { principal_tags: { team: ['a\u0000b'] } }],
    ['too many', { principal_tags: Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`t${n}`, 'x'])) }],
  ])('make a token that is not believed: %s', async (_what, claim) => {
    await expect(tagsOf(claim)).rejects.toMatchObject({ code: 'WEB_IDENTITY_TOKEN_INVALID' })
  })
})
