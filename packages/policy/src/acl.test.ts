import { describe, expect, it } from 'vitest'
import { type AccessControlList, type AclRequest, decideWithAcls } from './acl.ts'
import type { DecisionRequest, NamedPolicy } from './decide.ts'
import { parseIdentityPolicy, parseResourcePolicy } from './language/parse-policy.ts'
import type { KnownPrincipal, RequestPrincipal } from './principal.ts'

const [OWNER, OTHER, THIRD] = ['111122223333', '444455556666', '777788889999']
const EVERYBODY = { uri: 'http://acs.amazonaws.com/groups/global/AllUsers' }
const AUTHENTICATED = { uri: 'http://acs.amazonaws.com/groups/global/AuthenticatedUsers' }

const root = (accountId: string): KnownPrincipal => ({
  kind: 'account-root',
  accountId,
  arn: `arn:aws:iam::${accountId}:root`,
  canonicalId: `canonical-${accountId}`,
  userId: accountId,
})
const user = (accountId: string): KnownPrincipal => ({
  ...root(accountId),
  kind: 'iam-user',
  arn: `arn:aws:iam::${accountId}:user/alice`,
  userId: 'AIDA1',
  userName: 'alice',
})
const statement = (Effect: string, Principal?: unknown) =>
  JSON.stringify({ Version: '2012-10-17', Statement: { Effect, Principal, Action: 's3:*', Resource: '*' } })
const bucketPolicy = (Effect: string, Principal: unknown = '*'): NamedPolicy => ({
  id: 'bucket/b',
  policy: parseResourcePolicy(statement(Effect, Principal), { service: 's3', isOwnResource: () => true }),
})
const own = (Effect: string): NamedPolicy => ({ id: 'p', policy: parseIdentityPolicy(statement(Effect)) })
const ofAccount = (accountId: string) => ({ id: `canonical-${accountId}` })
const acl = (
  ownerAccountId: string,
  ...grants: [AccessControlList['grants'][number]['grantee'], string][]
): AccessControlList => ({
  ownerAccountId,
  grants: grants.map(([grantee, permission]) => ({ grantee, permission })),
})
const effectOf = (
  principal: RequestPrincipal,
  acls: Partial<AclRequest>,
  request: Partial<DecisionRequest> = {},
): string =>
  decideWithAcls(
    {
      principal,
      action: 's3:GetObject',
      resource: 'arn:aws:s3:::b/k',
      values: () => undefined,
      resourceAccountId: OWNER,
      ...request,
    },
    { bucketAcl: acl(OWNER), ignoresPublic: false, ...acls },
  ).effect

describe('a grant of an object’s list', () => {
  it.each([
    ['everybody', EVERYBODY, 'READ', 'anonymous', 'allow'],
    ['everybody, of an account', EVERYBODY, 'READ', root(OTHER), 'allow'],
    ['who has signed', AUTHENTICATED, 'READ', root(OTHER), 'allow'],
    ['who has signed, which nobody has', AUTHENTICATED, 'READ', 'anonymous', 'deny'],
    ['an account', ofAccount(OTHER), 'READ', root(OTHER), 'allow'],
    ['an account, with all', ofAccount(OTHER), 'FULL_CONTROL', root(OTHER), 'allow'],
    ['an account, which is another', ofAccount(OTHER), 'READ', root(THIRD), 'deny'],
    ['an account, to do something else', ofAccount(OTHER), 'WRITE_ACP', root(OTHER), 'deny'],
    ['an account, whose user has no leave of it', ofAccount(OTHER), 'READ', user(OTHER), 'deny'],
  ] as const)('is to its grantee alone: %s', (_what, grantee, permission, principal, effect) => {
    expect(effectOf(principal, { objectAcl: acl(OWNER, [grantee, permission]) })).toBe(effect)
  })

  it('is to a user of the account what a resource’s policy would be: with an Allow of its own', () => {
    const objectAcl = acl(OWNER, [ofAccount(OTHER), 'READ'])
    expect(effectOf(user(OTHER), { objectAcl }, { policies: { identity: [own('Allow')] } })).toBe('allow')
  })

  it('to groups of strangers does not count where public lists are ignored, and to accounts does', () => {
    const groups = acl(OWNER, [EVERYBODY, 'READ'], [AUTHENTICATED, 'READ'])
    for (const principal of ['anonymous', root(OTHER)] as const) {
      expect(effectOf(principal, { objectAcl: groups, ignoresPublic: true })).toBe('deny')
    }
    const one = acl(OWNER, [ofAccount(OTHER), 'READ'])
    expect(effectOf(root(OTHER), { objectAcl: one, ignoresPublic: true })).toBe('allow')
  })

  it('never beats a Deny, of the bucket’s policy or of who asks', () => {
    const objectAcl = acl(OWNER, [EVERYBODY, 'FULL_CONTROL'])
    for (const principal of ['anonymous', root(OTHER), user(OTHER)] as const) {
      const request = { policies: { identity: [own('Allow')] }, resourcePolicy: bucketPolicy('Deny') }
      expect(effectOf(principal, { objectAcl }, request)).toBe('deny')
    }
    expect(effectOf(user(OTHER), { objectAcl }, { policies: { identity: [own('Allow'), own('Deny')] } })).toBe('deny')
    expect(effectOf(user(OWNER), { objectAcl }, { policies: { identity: [own('Deny')] } })).toBe('deny')
  })

  it('never lifts a boundary or a session over its policies', () => {
    const objectAcl = acl(OWNER, [ofAccount(OTHER), 'READ'])
    const policies = { identity: [own('Allow')], session: [] }
    expect(effectOf(user(OTHER), { objectAcl }, { policies })).toBe('deny')
    expect(effectOf(user(OWNER), { objectAcl }, { policies })).toBe('deny')
  })
})

describe('an object of another account than its bucket’s', () => {
  const objectAcl = acl(OTHER)
  it('is that account’s: the owner of the bucket needs a grant, and the bucket’s policy gives nobody anything', () => {
    expect(effectOf(root(OTHER), { objectAcl })).toBe('allow')
    expect(effectOf(root(OWNER), { objectAcl })).toBe('deny')
    expect(effectOf('anonymous', { objectAcl }, { resourcePolicy: bucketPolicy('Allow') })).toBe('deny')
    expect(effectOf(root(OWNER), { objectAcl: acl(OTHER, [ofAccount(OWNER), 'READ']) })).toBe('allow')
  })

  it('is not read against a Deny of the bucket’s policy, by that account either', () => {
    const granted = acl(OTHER, [ofAccount(OTHER), 'FULL_CONTROL'], [EVERYBODY, 'READ'])
    for (const principal of [root(OTHER), 'anonymous'] as const) {
      expect(effectOf(principal, { objectAcl: granted }, { resourcePolicy: bucketPolicy('Deny') })).toBe('deny')
    }
  })
})

describe('a grant of a bucket’s list', () => {
  it.each([
    ['s3:PutObject', 'WRITE', 'allow'],
    ['s3:PutObject', 'READ', 'deny'],
    ['s3:ListBucket', 'READ', 'allow'],
    ['s3:PutBucketAcl', 'WRITE', 'deny'],
    ['s3:PutBucketPolicy', 'FULL_CONTROL', 'deny'],
    ['s3:DeleteBucket', 'FULL_CONTROL', 'deny'],
  ])('lets do what it names: %s by %s', (action, permission, effect) => {
    const bucketAcl = acl(OWNER, [ofAccount(OTHER), permission])
    expect(effectOf(root(OTHER), { bucketAcl }, { action })).toBe(effect)
  })

  it('tells who may list that a key is not there, and opens no object', () => {
    const bucketAcl = acl(OWNER, [ofAccount(OTHER), 'READ'])
    expect(effectOf(root(OTHER), { bucketAcl })).toBe('allow')
    expect(effectOf(root(OTHER), { bucketAcl, objectAcl: acl(OWNER) })).toBe('deny')
  })
})
