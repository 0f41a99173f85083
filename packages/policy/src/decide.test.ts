import { describe, expect, it } from 'vitest'
import { type DecisionRequest, decide } from './decide.ts'
import { parseResourcePolicy } from './language/parse-policy.ts'

const root = (accountId: string) => ({ accountId, arn: `arn:aws:iam::${accountId}:root`, canonicalId: accountId })
const place = { service: 's3', isOwnResource: () => true }
const policy = (Effect: string, Principal: unknown, Action = 's3:*') =>
  parseResourcePolicy(JSON.stringify({ Statement: { Effect, Principal, Action, Resource: '*' } }), place)
const asked = (request: Partial<DecisionRequest>) =>
  decide({
    principal: 'anonymous',
    action: 's3:GetObject',
    resource: 'arn:aws:s3:::b/k',
    values: () => undefined,
    ...request,
  })

describe('decide, without a bucket policy', () => {
  it.each([
    [{ principal: 'anonymous', action: 's3:ListBuckets' }, 'deny', 'anonymous'],
    [{ principal: 'anonymous', bucketOwnerAccountId: '1' }, 'deny', 'anonymous'],
    [{ principal: root('1'), action: 's3:CreateBucket' }, 'allow', 'own-account'],
    [{ principal: root('1'), action: 's3:ListBuckets' }, 'allow', 'own-account'],
    [{ principal: root('1'), action: 's3:ListAllMyBuckets' }, 'allow', 'own-account'],
    [{ principal: root('1'), bucketOwnerAccountId: '1' }, 'allow', 'own-bucket'],
    [{ principal: root('1') }, 'deny', 'no-bucket'],
    [{ principal: root('1'), action: 's3:DeleteBucket' }, 'deny', 'no-bucket'],
    [{ principal: root('1'), action: 'kms:Decrypt', bucketOwnerAccountId: '1' }, 'deny', 'other-action'],
    [{ principal: root('1'), action: 'kms:Decrypt' }, 'deny', 'no-bucket'],
    [{ principal: root('2'), bucketOwnerAccountId: '1' }, 'deny', 'other-account'],
    [{ principal: root(''), bucketOwnerAccountId: '1' }, 'deny', 'other-account'],
  ] as const)('decides %j: %s (%s)', (request, effect, reason) => {
    expect(asked(request)).toEqual({ effect, reason })
  })
})

describe('decide, with a bucket policy', () => {
  const owner = '111122223333'
  const other = '444455556666'

  it.each([
    ['allows everybody', policy('Allow', '*'), 'anonymous', 'allow'],
    ['allows everybody', policy('Allow', '*'), root(other), 'allow'],
    ['allows everybody', policy('Allow', '*'), root(owner), 'allow'],
    ['allows another account', policy('Allow', { AWS: other }), root(other), 'allow'],
    ['allows another account', policy('Allow', { AWS: other }), 'anonymous', 'deny'],
    ['allows another account', policy('Allow', { AWS: other }), root('777788889999'), 'deny'],
    ['denies everybody', policy('Deny', '*'), root(owner), 'deny'],
    ['denies everybody', policy('Deny', '*'), 'anonymous', 'deny'],
    ['speaks of something else', policy('Allow', '*', 's3:PutObject'), root(owner), 'allow'],
    ['speaks of something else', policy('Allow', '*', 's3:PutObject'), root(other), 'deny'],
    ['denies something else', policy('Deny', '*', 's3:PutObject'), root(owner), 'allow'],
  ] as const)('that %s', (_says, bucketPolicy, principal, effect) => {
    expect(asked({ principal, bucketOwnerAccountId: owner, bucketPolicy }).effect).toBe(effect)
  })

  it('that is public lets in nobody else where the bucket restricts public access', () => {
    const request = { bucketOwnerAccountId: owner, restrictsPublic: true }
    const everybody = { ...request, bucketPolicy: policy('Allow', '*') }
    expect(asked({ ...everybody, principal: root(owner) }).effect).toBe('allow')
    for (const principal of ['anonymous', root(other)] as const) {
      expect(asked({ ...everybody, principal })).toEqual({ effect: 'deny', reason: 'public-access-block' })
    }
    const named = { ...request, bucketPolicy: policy('Allow', { AWS: other }) }
    expect(asked({ ...named, principal: root(other) }).effect).toBe('allow')
  })

  it('lets the owner mend a policy that denies everything, and nobody else', () => {
    for (const action of ['s3:GetBucketPolicy', 's3:PutBucketPolicy', 's3:DeleteBucketPolicy']) {
      const request = { action, bucketOwnerAccountId: owner, bucketPolicy: policy('Deny', '*') }
      expect(asked({ ...request, principal: root(owner) }).effect).toBe('allow')
      expect(asked({ ...request, principal: root(other) }).effect).toBe('deny')
    }
  })
})
