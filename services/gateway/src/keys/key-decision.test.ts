import { type KnownPrincipal, parseIdentityPolicy } from '@coffer/policy'
import { describe, expect, it } from 'vitest'
import { decideOnKey, type KeyUseAsked } from './key-decision.ts'
import type { KeyGuard } from './key-guards.ts'
import { defaultPolicyText, keyPolicyOf } from './key-policy.ts'

const OWNER = '111111111111'
const ARN = `arn:aws:kms:us-east-1:${OWNER}:key/payments`
const USER: KnownPrincipal = {
  kind: 'iam-user',
  accountId: OWNER,
  canonicalId: 'c'.repeat(64),
  arn: `arn:aws:iam::${OWNER}:user/ann`,
  userId: 'AIDAEXAMPLE',
  userName: 'ann',
}
const ROOT: KnownPrincipal = { ...USER, kind: 'account-root', arn: `arn:aws:iam::${OWNER}:root`, userId: OWNER }

function guardWith(...statements: readonly object[]): KeyGuard {
  const text =
    statements.length > 0 ? JSON.stringify({ Version: '2012-10-17', Statement: statements }) : defaultPolicyText(OWNER)
  return {
    name: 'local/payments',
    arn: ARN,
    ownerAccountId: OWNER,
    isServerKey: false,
    policy: { id: ARN, policy: keyPolicyOf(text) },
    tags: [{ key: 'Team', value: 'blue' }],
  }
}
const allowing = (...actions: readonly string[]) => ({
  identity: [
    {
      id: 'own',
      policy: parseIdentityPolicy(
        JSON.stringify({ Version: '2012-10-17', Statement: { Effect: 'Allow', Action: actions, Resource: '*' } }),
      ),
    },
  ],
})
const effectOf = (guard: KeyGuard, asked: Partial<KeyUseAsked>) =>
  decideOnKey(guard, {
    principal: USER,
    policies: allowing('s3:*'),
    action: 'kms:Decrypt',
    encryptionContext: {},
    values: () => undefined,
    ...asked,
  }).effect
const user = (condition: object = {}) => ({
  Effect: 'Allow',
  Principal: { AWS: USER.arn },
  Action: ['kms:Decrypt', 'kms:GenerateDataKey*'],
  Resource: '*',
  Condition: condition,
})

describe('with the default policy', () => {
  it('a user who may do anything in S3 may not use the key', () => {
    expect(effectOf(guardWith(), {})).toBe('deny')
  })

  it("a user's own policy says what they may do with it; the root may do all of it", () => {
    const policies = allowing('s3:*', 'kms:Decrypt')
    expect(effectOf(guardWith(), { policies })).toBe('allow')
    expect(effectOf(guardWith(), { policies, action: 'kms:GenerateDataKey' })).toBe('deny')
    expect(effectOf(guardWith(), { principal: ROOT, policies: { identity: [] }, action: 'kms:PutKeyPolicy' })).toBe(
      'allow',
    )
  })

  it('nobody else may, whatever their own policies say', () => {
    const stranger = { ...USER, accountId: '222222222222', arn: 'arn:aws:iam::222222222222:user/bob' }
    expect(effectOf(guardWith(), { principal: stranger, policies: allowing('kms:*') })).toBe('deny')
    expect(effectOf(guardWith(), { principal: 'anonymous', policies: undefined })).toBe('deny')
  })
})

describe('with a policy of its own', () => {
  it('only whom it names may use it: not the root, nor users with policies of their own', () => {
    expect(effectOf(guardWith(user()), {})).toBe('allow')
    expect(effectOf(guardWith(user()), { principal: ROOT })).toBe('deny')
    const another = { ...USER, arn: `arn:aws:iam::${OWNER}:user/eve` }
    expect(effectOf(guardWith(user()), { principal: another, policies: allowing('kms:*') })).toBe('deny')
  })

  it('a Deny beats every Allow', () => {
    const deny = { Effect: 'Deny', Principal: '*', Action: 'kms:Decrypt', Resource: '*' }
    expect(effectOf(guardWith(user(), deny), { policies: allowing('kms:*') })).toBe('deny')
  })

  it.each([
    [
      { StringEquals: { 'kms:ViaService': 's3.us-east-1.amazonaws.com' } },
      { viaService: 's3.us-east-1.amazonaws.com' },
    ],
    [{ StringEquals: { 'kms:CallerAccount': OWNER } }, {}],
    [{ StringEquals: { 'aws:ResourceTag/team': 'blue' } }, {}],
    [{ StringEquals: { 'kms:RequestAlias': 'alias/app' } }, { requestAlias: 'alias/app' }],
    [{ 'ForAnyValue:StringLike': { 'kms:ResourceAliases': 'alias/app*' } }, { aliases: ['alias/a', 'alias/app1'] }],
    [{ StringEquals: { 'kms:EncryptionContext:Team': 'blue' } }, { encryptionContext: { Team: 'blue' } }],
    [
      { 'ForAllValues:StringEquals': { 'kms:EncryptionContextKeys': ['Team', 'aws:s3:arn'] } },
      { encryptionContext: { Team: 'x' } },
    ],
    [
      { StringLike: { 'kms:EncryptionContext:aws:s3:arn': 'arn:aws:s3:::papers/*' } },
      { encryptionContext: { 'aws:s3:arn': 'arn:aws:s3:::papers/a' } },
    ],
  ])('the condition %j is met by %j', (condition, asked) => {
    expect(effectOf(guardWith(user(condition)), asked)).toBe('allow')
  })

  it.each([
    [{ StringEquals: { 'kms:ViaService': 's3.us-east-1.amazonaws.com' } }, {}],
    [{ StringEquals: { 'kms:CallerAccount': '222222222222' } }, {}],
    [{ StringEquals: { 'aws:ResourceTag/team': 'red' } }, {}],
    [{ StringEquals: { 'aws:ResourceTag/class': 'blue' } }, {}],
    [{ StringEquals: { 'kms:RequestAlias': 'alias/app' } }, {}],
    [{ 'ForAnyValue:StringLike': { 'kms:ResourceAliases': 'alias/app*' } }, { aliases: ['alias/a'] }],
    [{ 'ForAnyValue:StringLike': { 'kms:ResourceAliases': 'alias/app*' } }, { aliases: [] }],
    [{ StringEquals: { 'kms:EncryptionContext:Team': 'blue' } }, { encryptionContext: { Team: 'red' } }],
    [{ StringEquals: { 'kms:EncryptionContext:Team': 'blue' } }, {}],
    [{ 'ForAllValues:StringEquals': { 'kms:EncryptionContextKeys': ['Team'] } }, { encryptionContext: { Other: 'x' } }],
  ])('the condition %j is not met by %j', (condition, asked) => {
    expect(effectOf(guardWith(user(condition)), asked)).toBe('deny')
  })

  it('tags of a bucket, which S3 knows by the same name, say nothing of a key', () => {
    const values = (name: string) => (name === 'aws:resourcetag/class' ? ['open'] : undefined)
    const condition = { StringEquals: { 'aws:ResourceTag/class': 'open' } }
    expect(effectOf(guardWith(user(condition)), { values })).toBe('deny')
  })

  it('a client does not say where its object is by a name of the encryption context that differs by case', () => {
    const condition = { StringLike: { 'kms:EncryptionContext:aws:s3:arn': 'arn:aws:s3:::papers/*' } }
    const encryptionContext = { 'AWS:S3:ARN': 'arn:aws:s3:::papers/a', 'aws:s3:arn': 'arn:aws:s3:::secrets/a' }
    expect(effectOf(guardWith(user(condition)), { encryptionContext })).toBe('deny')
  })
})
