import type { MetadataService, Principal } from '@coffer/contracts'
import { type PrincipalPolicies, parseIdentityPolicy } from '@coffer/policy'
import { expect, it } from 'vitest'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { BucketConfig } from '../bucket/bucket-config.ts'
import type { KeyGuards } from '../keys/key-guards.ts'
import { explainOnBucket } from './explain-bucket.ts'
import { NotExplained, type RequestFacts } from './explained-use.ts'
import { GivenValues } from './given-values.ts'

const OWNER = '111122223333'
const OTHER = '444455556666'
const USER_ID = `AIDA${'A'.repeat(17)}`
const FORMER_ID = `AIDA${'B'.repeat(17)}`
const USER = (accountId: string) => `arn:aws:iam::${accountId}:user/ann`

const text = (statement: object) => JSON.stringify({ Version: '2012-10-17', Statement: statement })
const own = (id: string, Effect: string, Action: string, more: object = {}) => ({
  id,
  policy: parseIdentityPolicy(text({ Effect, Action, Resource: '*', ...more })),
})
const ofBucket = (Effect: string, AWS: string, more: object = {}): Partial<BucketConfig> => ({
  policy: text({
    ...{ Sid: 'Bucket', Effect, Principal: { AWS }, Action: 's3:GetObject' },
    ...{ Resource: 'arn:aws:s3:::papers/*', ...more },
  }),
})
const ALL = own('all', 'Allow', 's3:*')
const FROM_INSIDE = { Condition: { IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } } }
const SHUT = {
  publicAccessBlock: {
    ...{ blockPublicAcls: false, ignorePublicAcls: false, blockPublicPolicy: false },
    restrictPublicBuckets: true,
  },
}

interface Case {
  readonly accountId?: string
  readonly policies?: PrincipalPolicies
  readonly config?: Partial<BucketConfig>
  readonly accountBlock?: OpenBucket['accountBlock']
  readonly values?: Readonly<Record<string, readonly string[]>>
  readonly action?: string
  readonly resource?: string
  readonly facts?: RequestFacts
}

const explained = async ({
  accountId = OWNER,
  policies = { identity: [] },
  values: given = {},
  facts = {},
  ...more
}: Case) => {
  const { config = {}, accountBlock, action = 's3:GetObject', resource = 'arn:aws:s3:::papers/k' } = more
  const bucket = {
    record: { id: 'b', name: 'papers', ownerAccountId: OWNER },
    config: { region: 'us-east-1', ...config },
    ...(accountBlock && { accountBlock }),
  } as unknown as OpenBucket
  const principal: Principal = {
    ...{ kind: 'iam-user', accountId, accountName: 'a', canonicalId: 'c', accessKeyId: '' },
    ...{ arn: USER(accountId), userId: USER_ID, userName: 'ann', path: '/' },
  }
  const values = new GivenValues(given, principal, 'us-east-1')
  const where = {
    // No objects: no key has a word in it.
    metadata: { findVersion: async () => undefined } as unknown as MetadataService,
    buckets: { find: async (name: string) => (name === 'papers' ? bucket : undefined) },
    guards: {} as KeyGuards,
    region: 'us-east-1',
  }
  const { decision, resourcePolicy } = await explainOnBucket(
    { principal, policies, action, resource, values, facts },
    where,
  )
  const { effect, reason, statement } = decision
  const which = statement && `${statement.kind} ${statement.policyId} ${statement.sid ?? statement.index + 1}`
  return [effect, reason, which, resourcePolicy, values.missing().join()]
}

const BY_BUCKET = 'resource bucket/papers Bucket'
const TABLE: readonly (readonly [what: string, asked: Case, verdict: readonly unknown[]])[] = [
  [
    'its own policy, and no bucket policy',
    { policies: { identity: [ALL] } },
    ['allow', 'identity-policy', 'identity all 1', 'none', ''],
  ],
  ['nothing at all', {}, ['deny', 'no-identity-policy', undefined, 'none', '']],
  [
    'a boundary without it',
    { policies: { identity: [ALL], boundary: own('edge', 'Allow', 's3:ListBucket') } },
    ['deny', 'not-in-boundary', undefined, 'none', ''],
  ],
  [
    'a boundary that denies it',
    { policies: { identity: [ALL], boundary: own('edge', 'Deny', 's3:*') } },
    ['deny', 'explicit-deny', 'boundary edge 1', 'none', ''],
  ],
  [
    'the bucket policy, for the very user',
    { config: ofBucket('Allow', USER(OWNER)) },
    ['allow', 'resource-policy', BY_BUCKET, 'asked', ''],
  ],
  [
    'the bucket policy, for who had the name before',
    { config: { ...ofBucket('Allow', USER(OWNER)), policyPrincipals: { [USER(OWNER)]: FORMER_ID } } },
    ['deny', 'no-identity-policy', undefined, 'asked', ''],
  ],
  [
    'the bucket policy, for who was renamed',
    { config: { ...ofBucket('Allow', `${USER(OWNER)}e`), policyPrincipals: { [`${USER(OWNER)}e`]: USER_ID } } },
    ['allow', 'resource-policy', BY_BUCKET, 'asked', ''],
  ],
  [
    'a Deny of the bucket policy',
    { policies: { identity: [ALL] }, config: ofBucket('Deny', '*') },
    ['deny', 'explicit-deny', BY_BUCKET, 'asked', ''],
  ],
  [
    'another account, and both allow it',
    { accountId: OTHER, policies: { identity: [ALL] }, config: ofBucket('Allow', OTHER) },
    ['allow', 'identity-policy', 'identity all 1', 'asked', ''],
  ],
  [
    'another account, and the bucket alone allows it',
    { accountId: OTHER, config: ofBucket('Allow', OTHER) },
    ['deny', 'no-identity-policy', undefined, 'asked', ''],
  ],
  [
    'another account, and its own policy alone allows it',
    { accountId: OTHER, policies: { identity: [ALL] } },
    ['deny', 'no-resource-policy', undefined, 'none', ''],
  ],
  [
    'a public policy that the bucket shuts',
    { accountId: OTHER, policies: { identity: [ALL] }, config: { ...ofBucket('Allow', '*'), ...SHUT } },
    ['deny', 'public-access-block', BY_BUCKET, 'asked', ''],
  ],
  [
    'a public policy that the account of the bucket shuts',
    {
      ...{ accountId: OTHER, policies: { identity: [ALL] }, config: ofBucket('Allow', '*') },
      accountBlock: SHUT.publicAccessBlock,
    },
    ['deny', 'public-access-block', BY_BUCKET, 'asked', ''],
  ],
  [
    'a condition of which nothing is known',
    { config: ofBucket('Allow', USER(OWNER), FROM_INSIDE) },
    ['deny', 'no-identity-policy', undefined, 'asked', 'aws:sourceip'],
  ],
  [
    'a condition that is met',
    { config: ofBucket('Allow', USER(OWNER), FROM_INSIDE), values: { 'aws:SourceIp': ['10.1.1.1'] } },
    ['allow', 'resource-policy', BY_BUCKET, 'asked', ''],
  ],
  [
    'a bucket that is not there',
    { policies: { identity: [ALL] }, resource: 'arn:aws:s3:::absent/k' },
    ['allow', 'identity-policy', 'identity all 1', 'no-bucket', ''],
  ],
  [
    'an action on the account',
    { policies: { identity: [ALL] }, action: 's3:ListAllMyBuckets', resource: '*' },
    ['allow', 'identity-policy', 'identity all 1', 'not-asked', ''],
  ],
]

it.each(TABLE)('explains %s', async (_, asked, verdict) => {
  expect(await explained(asked)).toEqual(verdict)
})

it('refuses a resource that is no bucket and no object', async () => {
  for (const resource of ['*', 'papers', 'arn:aws:s3:::', 'arn:aws:kms:us-east-1:1:key/k']) {
    await expect(explained({ resource })).rejects.toThrow(NotExplained)
  }
})

it.each<RequestFacts>([
  { copySource: { resource: 'arn:aws:s3:::papers/other' } },
  { renameSource: 'arn:aws:s3:::papers/other' },
  { isInParts: true },
  { targetKey: 'key' },
])('%j is nothing of a read', async (facts) => {
  await expect(explained({ policies: { identity: [ALL] }, facts })).rejects.toThrow(NotExplained)
})

it('what is renamed is of the same bucket', async () => {
  const facts = { renameSource: 'arn:aws:s3:::elsewhere/other' }
  const asked = { policies: { identity: [ALL] }, action: 's3:PutObject', facts }
  await expect(explained(asked)).rejects.toThrow(NotExplained)
})
