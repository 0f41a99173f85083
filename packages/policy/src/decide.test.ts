import { describe, expect, it } from 'vitest'
import { type DecisionRequest, decide, type NamedPolicy, type PrincipalPolicies } from './decide.ts'
import { parseIdentityPolicy, parseResourcePolicy, parseTrustPolicy } from './language/parse-policy.ts'
import type { KnownPrincipal } from './principal.ts'

const OWNER = '111122223333'
const OTHER = '444455556666'
const root = (accountId: string): KnownPrincipal => ({
  kind: 'account-root',
  accountId,
  arn: `arn:aws:iam::${accountId}:root`,
  canonicalId: accountId,
  userId: accountId,
})
const user = (accountId: string, userName = 'alice'): KnownPrincipal => ({
  kind: 'iam-user',
  accountId,
  arn: `arn:aws:iam::${accountId}:user/${userName}`,
  canonicalId: accountId,
  userId: 'AIDA1',
  userName,
})
const role = (accountId: string): KnownPrincipal => ({
  kind: 'assumed-role',
  accountId,
  arn: `arn:aws:sts::${accountId}:assumed-role/r/s`,
  issuerArn: `arn:aws:iam::${accountId}:role/r`,
  canonicalId: accountId,
  userId: 'AROA1:s',
  session: { issuedAt: 0 },
})
const federated = (accountId: string): KnownPrincipal => ({
  kind: 'federated-user',
  accountId,
  arn: `arn:aws:sts::${accountId}:federated-user/f`,
  issuerArn: `arn:aws:iam::${accountId}:user/alice`,
  canonicalId: accountId,
  userId: `${accountId}:f`,
  session: { issuedAt: 0 },
})

const place = { service: 's3', isOwnResource: () => true }
const bucketPolicy = (Effect: string, Principal: unknown, Action = 's3:*'): NamedPolicy => ({
  id: 'bucket/b',
  policy: parseResourcePolicy(
    JSON.stringify({ Statement: { Sid: 'B', Effect, Principal, Action, Resource: '*' } }),
    place,
  ),
})
const own = (Effect: string, Action = 's3:*', id = 'user/alice/p', Sid = 'I'): NamedPolicy => ({
  id,
  policy: parseIdentityPolicy(
    JSON.stringify({ Version: '2012-10-17', Statement: { Sid, Effect, Action, Resource: '*' } }),
  ),
})
const may = own('Allow')
const mayNot = own('Deny')
const elsewhere = own('Allow', 's3:PutObject')
const asked = (request: Partial<DecisionRequest>) =>
  decide({
    principal: 'anonymous',
    action: 's3:GetObject',
    resource: 'arn:aws:s3:::b/k',
    values: () => undefined,
    resourceAccountId: OWNER,
    ...request,
  })

describe('decide, without a word of the resource', () => {
  it.each([
    ['nobody', 'anonymous', undefined, 'deny', 'anonymous'],
    ["the owner's root", root(OWNER), undefined, 'allow', 'account-root'],
    ["another's root", root(OTHER), undefined, 'deny', 'no-resource-policy'],
    ['a user without a policy', user(OWNER), { identity: [] }, 'deny', 'no-identity-policy'],
    ['a user without any word of policies', user(OWNER), undefined, 'deny', 'no-identity-policy'],
    ['a user with a policy for something else', user(OWNER), { identity: [elsewhere] }, 'deny', 'no-identity-policy'],
    ['a user with an Allow', user(OWNER), { identity: [may] }, 'allow', 'identity-policy'],
    ['a user with an Allow and a Deny', user(OWNER), { identity: [may, mayNot] }, 'deny', 'explicit-deny'],
    ["another account's user with an Allow", user(OTHER), { identity: [may] }, 'deny', 'no-resource-policy'],
    ['a boundary that has it', user(OWNER), { identity: [may], boundary: may }, 'allow', 'identity-policy'],
    ['a boundary alone', user(OWNER), { identity: [], boundary: may }, 'deny', 'no-identity-policy'],
    ['a boundary without it', user(OWNER), { identity: [may], boundary: elsewhere }, 'deny', 'not-in-boundary'],
    ['a boundary that denies it', user(OWNER), { identity: [may], boundary: mayNot }, 'deny', 'explicit-deny'],
    ['a session without policies of its own', role(OWNER), { identity: [may] }, 'allow', 'identity-policy'],
    ['a session policy with it', role(OWNER), { identity: [may], session: [may] }, 'allow', 'identity-policy'],
    [
      'one of two session policies with it',
      role(OWNER),
      { identity: [may], session: [elsewhere, may] },
      'allow',
      'identity-policy',
    ],
    [
      'a session policy without it',
      role(OWNER),
      { identity: [may], session: [elsewhere] },
      'deny',
      'not-in-session-policy',
    ],
    ['a session policy alone', role(OWNER), { identity: [], session: [may] }, 'deny', 'no-identity-policy'],
    [
      'a session policy that denies it',
      role(OWNER),
      { identity: [may], session: [may, mayNot] },
      'deny',
      'explicit-deny',
    ],
    [
      'a federated session without session policies',
      federated(OWNER),
      { identity: [may], session: [] },
      'deny',
      'not-in-session-policy',
    ],
    [
      'all three agreed',
      federated(OWNER),
      { identity: [may], boundary: may, session: [may] },
      'allow',
      'identity-policy',
    ],
  ] as const)('%s', (_says, principal, policies, effect, reason) => {
    expect(asked({ principal, policies: policies as PrincipalPolicies | undefined })).toMatchObject({ effect, reason })
  })

  it.each([['anonymous'], [root(OWNER)], [user(OWNER)]] as const)('a resource of nobody is shut: %j', (principal) => {
    const policies = { identity: [may] }
    expect(asked({ principal, policies, resourceAccountId: undefined }).effect).toBe('deny')
  })

  it('no account is everybody, not even one without an id', () => {
    expect(asked({ principal: root('') }).effect).toBe('deny')
    expect(asked({ principal: user(''), policies: { identity: [may] } }).effect).toBe('deny')
  })
})

/** IAM User Guide, "Policy evaluation for requests within a single account" and "Cross-account policy evaluation logic". */
describe('decide, with a policy of the resource', () => {
  const none = { identity: [] }
  const limited = { identity: [], boundary: elsewhere }
  const shut = { identity: [], boundary: elsewhere, session: [elsewhere] }
  const open = { identity: [], boundary: may, session: [may] }
  const everybody = bucketPolicy('Allow', '*')
  const theAccount = bucketPolicy('Allow', { AWS: OWNER })
  const theUser = bucketPolicy('Allow', { AWS: user(OWNER).arn })
  const theRole = bucketPolicy('Allow', { AWS: `arn:aws:iam::${OWNER}:role/r` })
  const theSession = bucketPolicy('Allow', { AWS: role(OWNER).arn })
  const theFederated = bucketPolicy('Allow', { AWS: federated(OWNER).arn })
  const others = bucketPolicy('Allow', { AWS: OTHER })
  const othersUser = bucketPolicy('Allow', { AWS: user(OTHER).arn })

  it.each([
    ['everybody is anybody', everybody, 'anonymous', undefined, 'allow'],
    ['everybody is the owner', everybody, root(OWNER), undefined, 'allow'],
    ["everybody is another's root", everybody, root(OTHER), undefined, 'allow'],
    ['everybody is an own user without policies', everybody, user(OWNER), none, 'allow'],
    ['everybody is an own session within its limits', everybody, role(OWNER), open, 'allow'],
    ['everybody is no own session beyond its limits', everybody, role(OWNER), shut, 'deny'],
    ["everybody is another's user only if that account agrees", everybody, user(OTHER), none, 'deny'],
    ["everybody is another's user that its account lets", everybody, user(OTHER), { identity: [may] }, 'allow'],
    ["another's user beyond its boundary", everybody, user(OTHER), { identity: [may], boundary: elsewhere }, 'deny'],
    ['a user named itself needs nothing of its own', theUser, user(OWNER), none, 'allow'],
    ['and no boundary that is silent limits it', theUser, user(OWNER), limited, 'allow'],
    ['but one that denies does', theUser, user(OWNER), { identity: [], boundary: mayNot }, 'deny'],
    ['and so does a Deny of its own', theUser, user(OWNER), { identity: [mayNot] }, 'deny'],
    ['another user is not it', theUser, user(OWNER, 'bob'), none, 'deny'],
    ['the user of that name elsewhere is not it', theUser, user(OTHER), { identity: [may] }, 'deny'],
    ['its federated session within its limits', theUser, federated(OWNER), open, 'allow'],
    ['its federated session beyond them', theUser, federated(OWNER), shut, 'deny'],
    ['a role named is its session within its limits', theRole, role(OWNER), open, 'allow'],
    ['a role named is no session beyond them', theRole, role(OWNER), shut, 'deny'],
    ['a session named itself needs nothing of its own', theSession, role(OWNER), shut, 'allow'],
    ['nor does a federated one', theFederated, federated(OWNER), shut, 'allow'],
    ['the own account leaves it to identity policies', theAccount, user(OWNER), none, 'deny'],
    ['which may say yes', theAccount, user(OWNER), { identity: [may] }, 'allow'],
    ["another account is that account's root", others, root(OTHER), undefined, 'allow'],
    ['and its users whom it lets', others, user(OTHER), { identity: [may] }, 'allow'],
    ['and its sessions whom it lets', others, role(OTHER), { identity: [may] }, 'allow'],
    ['but nobody else of it', others, user(OTHER), none, 'deny'],
    ['nor of a third one', others, root('777788889999'), undefined, 'deny'],
    ['nor anybody', others, 'anonymous', undefined, 'deny'],
    ["another's user named needs its account too", othersUser, user(OTHER), none, 'deny'],
    ["another's user named, and let", othersUser, user(OTHER), { identity: [may] }, 'allow'],
    ["another's user named is not its root", othersUser, root(OTHER), undefined, 'deny'],
    ['a Deny for everybody is for the owner', bucketPolicy('Deny', '*'), root(OWNER), undefined, 'deny'],
    ['a Deny for everybody is for users', bucketPolicy('Deny', '*'), user(OWNER), { identity: [may] }, 'deny'],
    [
      'a Deny for the account is for its users',
      bucketPolicy('Deny', { AWS: OWNER }),
      user(OWNER),
      { identity: [may] },
      'deny',
    ],
    [
      'a Deny for the role is for its session',
      bucketPolicy('Deny', { AWS: `arn:aws:iam::${OWNER}:role/r` }),
      role(OWNER),
      { identity: [may] },
      'deny',
    ],
    [
      'what it does not speak of stays',
      bucketPolicy('Deny', '*', 's3:PutObject'),
      user(OWNER),
      { identity: [may] },
      'allow',
    ],
  ] as const)('%s', (_says, resourcePolicy, principal, policies, effect) => {
    const request = { principal, policies: policies as PrincipalPolicies | undefined, resourcePolicy }
    expect(asked(request).effect).toBe(effect)
  })

  it('that is public lets in nobody else where the bucket restricts public access', () => {
    const request = { restrictsPublic: true, resourcePolicy: everybody }
    expect(asked({ ...request, principal: root(OWNER) }).effect).toBe('allow')
    expect(asked({ ...request, principal: user(OWNER), policies: none }).effect).toBe('allow')
    for (const principal of ['anonymous', root(OTHER), user(OTHER)] as const) {
      const decision = asked({ ...request, principal, policies: { identity: [may] } })
      expect(decision).toMatchObject({ effect: 'deny', reason: 'public-access-block' })
    }
    expect(asked({ ...request, resourcePolicy: others, principal: root(OTHER) }).effect).toBe('allow')
  })

  it("lets the owner's root mend a policy that denies everything, and nobody else", () => {
    for (const action of ['s3:GetBucketPolicy', 's3:PutBucketPolicy', 's3:DeleteBucketPolicy']) {
      const request = { action, resourcePolicy: bucketPolicy('Deny', '*') }
      expect(asked({ ...request, principal: root(OWNER) }).effect).toBe('allow')
      expect(asked({ ...request, principal: root(OTHER) }).effect).toBe('deny')
      expect(asked({ ...request, principal: user(OWNER), policies: { identity: [may] } }).effect).toBe('deny')
    }
  })

  it('has to allow where nothing goes without it, as with keys and the trust of roles', () => {
    const request = { needsResourcePolicy: true, principal: user(OWNER), policies: { identity: [may] } }
    expect(asked(request)).toMatchObject({ effect: 'deny', reason: 'no-resource-policy' })
    expect(asked({ ...request, resourcePolicy: theAccount }).effect).toBe('allow')
    expect(asked({ ...request, resourcePolicy: theAccount, policies: none }).effect).toBe('deny')
    expect(asked({ ...request, resourcePolicy: theUser, policies: none }).effect).toBe('allow')
    expect(asked({ ...request, principal: root(OWNER), resourcePolicy: theUser }).effect).toBe('deny')
  })
})

describe('the exceptions of NotPrincipal', () => {
  const except = (Effect: string, NotPrincipal: object): NamedPolicy => ({
    id: 'bucket/b',
    policy: parseResourcePolicy(
      JSON.stringify({ Statement: { Effect, NotPrincipal, Action: '*', Resource: '*' } }),
      place,
    ),
  })

  it('of a Deny except users and sessions only by their own names', () => {
    const alice = { principal: user(OWNER), policies: { identity: [may] } }
    expect(asked({ ...alice, resourcePolicy: except('Deny', { AWS: user(OWNER).arn }) }).effect).toBe('allow')
    expect(asked({ ...alice, resourcePolicy: except('Deny', { AWS: OWNER }) }).effect).toBe('deny')
    expect(asked({ principal: root(OWNER), resourcePolicy: except('Deny', { AWS: OWNER }) }).effect).toBe('allow')
    expect(asked({ principal: 'anonymous', resourcePolicy: except('Deny', { AWS: OWNER }) }).effect).toBe('deny')
  })
})

describe('the trust of a role', () => {
  const provider = `arn:aws:iam::${OWNER}:oidc-provider/id.example.com`
  const trust = (Principal: object): NamedPolicy => ({
    id: 'role/r',
    policy: parseTrustPolicy(
      JSON.stringify({ Statement: { Effect: 'Allow', Principal, Action: 'sts:AssumeRoleWithWebIdentity' } }),
    ),
  })
  const proven = { kind: 'proven-identity', provider } as const

  it('lets in whom the provider that it names vouches for', () => {
    const request = {
      principal: proven,
      action: 'sts:AssumeRoleWithWebIdentity',
      resource: `arn:aws:iam::${OWNER}:role/r`,
    }
    expect(asked({ ...request, resourcePolicy: trust({ Federated: provider }) }).effect).toBe('allow')
    expect(asked({ ...request, resourcePolicy: trust({ Federated: `${provider}/other` }) }).effect).toBe('deny')
    expect(asked({ ...request, resourcePolicy: trust({ AWS: OWNER }) }).effect).toBe('deny')
    expect(asked({ ...request, principal: 'anonymous', resourcePolicy: trust({ Federated: provider }) }).effect).toBe(
      'deny',
    )
  })
})

it('what is nobody’s is refused, whatever policies say', () => {
  const everywhere = { resourceAccountId: undefined, resourcePolicy: bucketPolicy('Allow', '*') }
  for (const principal of [root(OWNER), user(OWNER), role(OWNER)]) {
    const decided = asked({ ...everywhere, principal, policies: { identity: [may] } })
    expect(decided).toEqual({ effect: 'deny', reason: 'no-owner' })
  }
})

describe('a decision', () => {
  it('says which statement of which policy decided', () => {
    const policies = { identity: [elsewhere, own('Allow', 's3:Get*', 'arn:aws:iam::1:policy/p', 'Read')] }
    expect(asked({ principal: user(OWNER), policies })).toEqual({
      effect: 'allow',
      reason: 'identity-policy',
      statement: { kind: 'identity', policyId: 'arn:aws:iam::1:policy/p', index: 0, sid: 'Read' },
    })
    expect(asked({ principal: user(OWNER), policies, resourcePolicy: bucketPolicy('Deny', '*') })).toEqual({
      effect: 'deny',
      reason: 'explicit-deny',
      statement: { kind: 'resource', policyId: 'bucket/b', index: 0, sid: 'B' },
    })
    expect(asked({ principal: user(OWNER), policies: { identity: [] } })).toEqual({
      effect: 'deny',
      reason: 'no-identity-policy',
    })
  })
})
