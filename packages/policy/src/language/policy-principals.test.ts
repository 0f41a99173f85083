import { describe, expect, it } from 'vitest'
import type { KnownPrincipal } from '../principal.ts'
import { findAllow } from './evaluate.ts'
import { PolicyMalformed, parseResourcePolicy, parseTrustPolicy } from './parse-policy.ts'
import { principalsNamedIn, withPrincipals } from './policy-principals.ts'

const ACCOUNT = '111122223333'
const ARN = `arn:aws:iam::${ACCOUNT}:user/ann`
const ROLE_ARN = `arn:aws:iam::${ACCOUNT}:role/r`
const SESSION_ARN = `arn:aws:sts::${ACCOUNT}:assumed-role/r/job`
const [FIRST, SECOND] = [`AIDA${'A'.repeat(17)}`, `AIDA${'B'.repeat(17)}`]
const [ROLE, OTHER_ROLE] = [`AROA${'A'.repeat(17)}`, `AROA${'B'.repeat(17)}`]
const PLACE = { service: 's3', isOwnResource: () => true }
const naming = (Principal: unknown) =>
  JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Principal, Action: 's3:*', Resource: '*' }] })

const ann = (userId: string): KnownPrincipal => ({
  kind: 'iam-user',
  accountId: ACCOUNT,
  canonicalId: 'c'.repeat(64),
  arn: ARN,
  userId,
})
const job = (roleId: string, name = 'job'): KnownPrincipal => ({
  kind: 'assumed-role',
  accountId: ACCOUNT,
  canonicalId: 'c'.repeat(64),
  arn: `arn:aws:sts::${ACCOUNT}:assumed-role/r/${name}`,
  userId: `${roleId}:${name}`,
  issuerArn: ROLE_ARN,
  issuerId: roleId,
})
const namingOf = (policy: ReturnType<typeof parseResourcePolicy>, principal: KnownPrincipal) =>
  findAllow(policy, { principal, action: 's3:GetObject', resource: '*', values: () => undefined })?.naming

describe('a policy whose principals are bound to unique ids', () => {
  it('speaks of a user by the id, whoever has the name', () => {
    const policy = parseResourcePolicy(naming({ AWS: ARN }), PLACE, { [ARN]: FIRST })
    expect(namingOf(policy, ann(FIRST))).toBe('itself')
    expect(namingOf(policy, { ...ann(FIRST), arn: `${ARN}-renamed` })).toBe('itself')
    expect(namingOf(policy, ann(SECOND))).toBeUndefined()
  })

  it("speaks of a role's sessions, and of one session, by the role's id", () => {
    const ofRole = parseResourcePolicy(naming({ AWS: ROLE_ARN }), PLACE, { [ROLE_ARN]: ROLE })
    expect(namingOf(ofRole, job(ROLE))).toBe('issuer')
    expect(namingOf(ofRole, job(OTHER_ROLE))).toBeUndefined()
    const ofSession = parseResourcePolicy(naming({ AWS: SESSION_ARN }), PLACE, { [SESSION_ARN]: `${ROLE}:job` })
    expect(namingOf(ofSession, job(ROLE))).toBe('itself')
    expect(namingOf(ofSession, job(ROLE, 'other'))).toBeUndefined()
    expect(namingOf(ofSession, job(OTHER_ROLE))).toBeUndefined()
  })

  it('that was kept before there were ids speaks of whoever has the ARN', () => {
    const policy = parseResourcePolicy(naming({ AWS: ARN }), PLACE)
    expect(namingOf(policy, ann(FIRST))).toBe('itself')
    expect(namingOf(policy, ann(SECOND))).toBe('itself')
  })

  it('excepts from a Deny only who was meant', () => {
    const text = JSON.stringify({
      Statement: { Effect: 'Allow', NotPrincipal: { AWS: [ARN] }, Action: 's3:*', Resource: '*' },
    })
    const policy = parseResourcePolicy(text, PLACE, { [ARN]: FIRST })
    expect(namingOf(policy, ann(FIRST))).toBeUndefined()
    expect(namingOf(policy, ann(SECOND))).toBe('everybody')
  })

  it('can name unique ids itself', () => {
    const policy = parseTrustPolicy(
      JSON.stringify({
        Statement: { Effect: 'Allow', Principal: { AWS: [FIRST, `${ROLE}:job`] }, Action: 'sts:AssumeRole' },
      }),
    )
    expect(principalsNamedIn(policy)).toEqual([FIRST, `${ROLE}:job`])
    for (const wrong of ['AIDASHORT', `AGPA${'A'.repeat(17)}`, `${ROLE}:*`, `${ROLE}:`, `${FIRST}*`]) {
      expect(() => parseResourcePolicy(naming({ AWS: wrong }), PLACE)).toThrow(PolicyMalformed)
    }
  })
})

describe('whom a policy names', () => {
  it('is told of accounts, ARNs, ids and canonical ids, not of providers and services', () => {
    const policy = parseResourcePolicy(
      naming({
        AWS: ['*', ACCOUNT, `arn:aws:iam::${ACCOUNT}:root`, ARN, SESSION_ARN, FIRST],
        CanonicalUser: 'c'.repeat(64),
        Service: 's3.amazonaws.com',
        Federated: 'ldap.coffer',
      }),
      PLACE,
    )
    expect(principalsNamedIn(policy)).toEqual([ACCOUNT, ARN, SESSION_ARN, FIRST, 'c'.repeat(64)])
  })

  it('is shown in other words, and a text in which nothing changes stays as it is, spaces and all', () => {
    const text = `{ "Statement":{"Effect": "Allow", "Principal" :{"AWS":["${ARN}"]},"Action":"s3:*","Resource":"*"}}`
    expect(withPrincipals(text, (name) => name)).toBe(text)
    const shown = withPrincipals(text, (name) => (name === ARN ? FIRST : name))
    expect(JSON.parse(shown)).toEqual(JSON.parse(text.replace(ARN, FIRST)))
    const others = naming({ AWS: '*', CanonicalUser: ARN })
    expect(withPrincipals(others, (name) => (name === ARN ? FIRST : name))).toBe(others)
    expect(withPrincipals(naming('*'), () => FIRST)).toBe(naming('*'))
  })
})
