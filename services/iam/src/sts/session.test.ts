import { encodeFields, MetadataKey, Secret } from '@coffer/crypto-core'
import { describe, expect, it } from 'vitest'
import { newSessionKey, type Session, SessionTokens } from './session.ts'

const key = new MetadataKey(Secret.random(32))
const sealer = {
  seal: async (purpose: string, name: string, plain: Uint8Array) => key.sealRecord(plain, encodeFields(purpose, name)),
  unseal: async (purpose: string, name: string, sealed: Uint8Array) =>
    key.openRecord(sealed, encodeFields(purpose, name)),
}

function session(changes: Partial<Session> = {}): Session {
  return {
    ...newSessionKey(),
    accountId: '111122223333',
    holder: { kind: 'role', roleId: 'AROAEXAMPLE', sessionName: 'one' },
    issuedAt: 1_000_000,
    expiresAt: 2_000_000,
    tags: {},
    transitiveTagKeys: [],
    ...changes,
  }
}

describe('a session token', () => {
  it('gives back what was put into it, in every process that has the key', async () => {
    const made = session({ policy: '{"Version":"2012-10-17"}', tags: { team: 'a' } })
    const { token } = await new SessionTokens(sealer).seal(made)
    expect(await new SessionTokens(sealer).open(token, made.accessKeyId, 1_500_000)).toEqual(made)
    expect(token).not.toContain(Buffer.from(made.secretAccessKey).toString('base64url').slice(0, 10))
  })

  it('ends when it says, also where it is known already', async () => {
    const tokens = new SessionTokens(sealer)
    const made = session()
    const { token } = await tokens.seal(made)
    await tokens.open(token, made.accessKeyId, 1_999_999)
    for (let attempt = 0; attempt < 2; attempt++) {
      await expect(tokens.open(token, made.accessKeyId, 2_000_000)).rejects.toMatchObject({
        code: 'IAM_SESSION_EXPIRED',
      })
    }
  })

  it('is of one access key only, and of no other when it is known already', async () => {
    const tokens = new SessionTokens(sealer)
    const [one, two] = [session(), session()]
    const { token } = await tokens.seal(one)
    await expect(tokens.open(token, two.accessKeyId, 1_500_000)).rejects.toMatchObject({
      code: 'IAM_SESSION_TOKEN_INVALID',
    })
    await tokens.open(token, one.accessKeyId, 1_500_000)
    await expect(tokens.open(token, two.accessKeyId, 1_500_000)).rejects.toMatchObject({
      code: 'IAM_SESSION_TOKEN_INVALID',
    })
  })

  it('is refused with any character changed, cut or made up', async () => {
    const tokens = new SessionTokens(sealer)
    const made = session()
    const { token } = await tokens.seal(made)
    const changed = Array.from({ length: token.length }, (_, at) => {
      const other = token[at] === 'A' ? 'B' : 'A'
      return token.slice(0, at) + other + token.slice(at + 1)
    }).filter((each) => Buffer.from(each, 'base64url').compare(Buffer.from(token, 'base64url')) !== 0)
    for (const forged of [...changed, '', 'x', token.slice(0, -8), `${token}!`, 'A'.repeat(9_000)]) {
      await expect(tokens.open(forged, made.accessKeyId, 1_500_000)).rejects.toMatchObject({
        code: 'IAM_SESSION_TOKEN_INVALID',
      })
    }
  })

  it('that would not fit into request headers is not made', async () => {
    const noise = Array.from({ length: 12_000 }, () => Math.random().toString(36)[5]).join('')
    await expect(new SessionTokens(sealer).seal(session({ policy: noise }))).rejects.toMatchObject({
      code: 'IAM_PACKED_POLICY_TOO_LARGE',
    })
  })
})
