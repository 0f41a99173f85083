import type { Principal } from '@coffer/contracts'
import { type PrincipalPolicies, parseIdentityPolicy } from '@coffer/policy'
import { describe, expect, it } from 'vitest'
import { NO_TRAIL } from '../audit/trail.ts'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import { operations } from '../operations/index.ts'
import type { LocatedRequest } from '../requests.ts'
import { decisionOn } from './permission.ts'
import { actionOf } from './s3-actions.ts'

/**
 * Every operation and the leave that it needs, written down by hand from the Service Authorization Reference (Amazon S3): an
 * operation without a row fails the test. On: `account` (nothing named), `new` (a bucket to be made), `bucket`, `object`.
 */
const ROWS: readonly (readonly [on: 'account' | 'new' | 'bucket' | 'object', action: string, operations: string])[] = [
  ['account', 's3:ListAllMyBuckets', 'ListBuckets'],
  ['account', 's3:GetAccountPublicAccessBlock', 'GetAccountPublicAccessBlock'],
  ['account', 's3:PutAccountPublicAccessBlock', 'PutAccountPublicAccessBlock DeleteAccountPublicAccessBlock'],
  ['new', 's3:CreateBucket', 'CreateBucket'],
  ['bucket', 's3:ListBucket', 'HeadBucket ListObjects ListObjectsV2'],
  ['bucket', 's3:ListBucketVersions', 'ListObjectVersions'],
  ['bucket', 's3:ListBucketMultipartUploads', 'ListMultipartUploads'],
  ['bucket', 's3:DeleteBucket', 'DeleteBucket'],
  ['bucket', 's3:GetBucketLocation', 'GetBucketLocation'],
  ['bucket', 's3:GetBucketAcl', 'GetBucketAcl'],
  ['bucket', 's3:PutBucketAcl', 'PutBucketAcl'],
  ['bucket', 's3:GetBucketOwnershipControls', 'GetBucketOwnershipControls'],
  ['bucket', 's3:PutBucketOwnershipControls', 'PutBucketOwnershipControls DeleteBucketOwnershipControls'],
  ['bucket', 's3:GetBucketPolicy', 'GetBucketPolicy'],
  ['bucket', 's3:GetBucketPolicyStatus', 'GetBucketPolicyStatus'],
  ['bucket', 's3:PutBucketPolicy', 'PutBucketPolicy'],
  ['bucket', 's3:DeleteBucketPolicy', 'DeleteBucketPolicy'],
  ['bucket', 's3:GetBucketPublicAccessBlock', 'GetPublicAccessBlock'],
  ['bucket', 's3:PutBucketPublicAccessBlock', 'PutPublicAccessBlock DeletePublicAccessBlock'],
  ['bucket', 's3:GetBucketCORS', 'GetBucketCors'],
  ['bucket', 's3:PutBucketCORS', 'PutBucketCors DeleteBucketCors'],
  ['bucket', 's3:GetEncryptionConfiguration', 'GetBucketEncryption'],
  ['bucket', 's3:PutEncryptionConfiguration', 'PutBucketEncryption DeleteBucketEncryption'],
  ['bucket', 's3:GetLifecycleConfiguration', 'GetBucketLifecycleConfiguration'],
  ['bucket', 's3:PutLifecycleConfiguration', 'PutBucketLifecycleConfiguration DeleteBucketLifecycle'],
  ['bucket', 's3:GetBucketTagging', 'GetBucketTagging'],
  ['bucket', 's3:PutBucketTagging', 'PutBucketTagging DeleteBucketTagging'],
  ['bucket', 's3:ListTagsForResource', 'ListTagsForResource'],
  ['bucket', 's3:TagResource', 'TagResource'],
  ['bucket', 's3:UntagResource', 'UntagResource'],
  ['bucket', 's3:GetBucketVersioning', 'GetBucketVersioning'],
  ['bucket', 's3:PutBucketVersioning', 'PutBucketVersioning'],
  ['bucket', 's3:GetBucketNotification', 'GetBucketNotificationConfiguration'],
  ['bucket', 's3:PutBucketNotification', 'PutBucketNotificationConfiguration'],
  ['bucket', 's3:GetReplicationConfiguration', 'GetBucketReplication'],
  ['bucket', 's3:PutReplicationConfiguration', 'PutBucketReplication DeleteBucketReplication'],
  ['bucket', 's3:GetBucketObjectLockConfiguration', 'GetObjectLockConfiguration'],
  ['bucket', 's3:PutBucketObjectLockConfiguration', 'PutObjectLockConfiguration'],
  ['bucket', 's3:GetAccelerateConfiguration', 'GetBucketAccelerateConfiguration'],
  ['bucket', 's3:PutAccelerateConfiguration', 'PutBucketAccelerateConfiguration'],
  ['bucket', 's3:GetBucketAbac', 'GetBucketAbac'],
  ['bucket', 's3:PutBucketAbac', 'PutBucketAbac'],
  ['bucket', 's3:PutAnalyticsConfiguration', 'DeleteBucketAnalyticsConfiguration'],
  ['bucket', 's3:PutIntelligentTieringConfiguration', 'DeleteBucketIntelligentTieringConfiguration'],
  ['bucket', 's3:PutInventoryConfiguration', 'DeleteBucketInventoryConfiguration'],
  ['bucket', 's3:PutMetricsConfiguration', 'DeleteBucketMetricsConfiguration'],
  [
    'bucket',
    's3:GetBucketMetadataTableConfiguration',
    'GetBucketMetadataConfiguration GetBucketMetadataTableConfiguration',
  ],
  [
    'bucket',
    's3:DeleteBucketMetadataTableConfiguration',
    'DeleteBucketMetadataConfiguration DeleteBucketMetadataTableConfiguration',
  ],
  ['bucket', 's3:GetBucketLogging', 'GetBucketLogging'],
  ['bucket', 's3:PutBucketLogging', 'PutBucketLogging'],
  ['bucket', 's3:GetBucketRequestPayment', 'GetBucketRequestPayment'],
  ['bucket', 's3:GetBucketWebsite', 'GetBucketWebsite'],
  ['bucket', 's3:PutBucketWebsite', 'PutBucketWebsite'],
  ['bucket', 's3:DeleteBucketWebsite', 'DeleteBucketWebsite'],
  ['bucket', 's3:GetAnalyticsConfiguration', 'GetBucketAnalyticsConfiguration ListBucketAnalyticsConfigurations'],
  [
    'bucket',
    's3:GetIntelligentTieringConfiguration',
    'GetBucketIntelligentTieringConfiguration ListBucketIntelligentTieringConfigurations',
  ],
  ['bucket', 's3:GetInventoryConfiguration', 'GetBucketInventoryConfiguration ListBucketInventoryConfigurations'],
  ['bucket', 's3:GetMetricsConfiguration', 'GetBucketMetricsConfiguration ListBucketMetricsConfigurations'],
  ['bucket', 's3:PutBucketRequestPayment', 'PutBucketRequestPayment'],
  ['bucket', 's3:ListenBucketNotification', 'ListenBucketNotification'],
  ['bucket', 's3:RekeyCustomerObjects', 'RekeyCustomerObjects'],
  ['object', 's3:GetObject', 'GetObject HeadObject'],
  [
    'object',
    's3:PutObject',
    'PutObject PostObject CopyObject CreateMultipartUpload UploadPart UploadPartCopy CompleteMultipartUpload RenameObject',
  ],
  ['object', 's3:DeleteObject', 'DeleteObject'],
  ['object', 's3:AbortMultipartUpload', 'AbortMultipartUpload'],
  ['object', 's3:ListMultipartUploadParts', 'ListParts'],
  ['object', 's3:GetObjectAcl', 'GetObjectAcl'],
  ['object', 's3:PutObjectAcl', 'PutObjectAcl'],
  ['object', 's3:GetObjectAttributes', 'GetObjectAttributes'],
  ['object', 's3:GetObjectTagging', 'GetObjectTagging'],
  ['object', 's3:PutObjectTagging', 'PutObjectTagging'],
  ['object', 's3:DeleteObjectTagging', 'DeleteObjectTagging'],
  ['object', 's3:GetObjectRetention', 'GetObjectRetention'],
  ['object', 's3:PutObjectRetention', 'PutObjectRetention'],
  ['object', 's3:GetObjectLegalHold', 'GetObjectLegalHold'],
  ['object', 's3:PutObjectLegalHold', 'PutObjectLegalHold'],
  ['object', 's3:RestoreObject', 'RestoreObject'],
  ['object', 's3:UpdateObjectEncryption', 'UpdateObjectEncryption'],
]
/** Asks for s3:DeleteObject of each key that it names, and so for nothing before it has read them. */
const ASKED_BY_KEY = 'DeleteObjects'

const ROW_OF = new Map(
  ROWS.flatMap(([on, action, names]) => names.split(' ').map((name) => [name, { on, action }] as const)),
)
const OWNER = '111122223333'
const OTHER = '444455556666'
const BUCKET = 'papers'
const KEY = 'k'
const RESOURCES = {
  account: 'arn:aws:s3:::*',
  new: `arn:aws:s3:::${BUCKET}`,
  bucket: `arn:aws:s3:::${BUCKET}`,
  object: `arn:aws:s3:::${BUCKET}/${KEY}`,
}

const facts = { accountName: 'a', canonicalId: 'c', accessKeyId: 'AKIA' }
const rootOf = (accountId: string): Principal => ({
  kind: 'account-root',
  ...facts,
  accountId,
  arn: `arn:aws:iam::${accountId}:root`,
  userId: accountId,
})
const alice: Principal = {
  kind: 'iam-user',
  ...facts,
  accountId: OWNER,
  arn: `arn:aws:iam::${OWNER}:user/alice`,
  userId: 'AIDA',
  userName: 'alice',
  path: '/',
}
const role: Principal = {
  kind: 'assumed-role',
  ...facts,
  accountId: OWNER,
  arn: `arn:aws:sts::${OWNER}:assumed-role/r/s`,
  userId: 'AROA:s',
  roleName: 'r',
  sessionName: 's',
  issuerArn: `arn:aws:iam::${OWNER}:role/r`,
  issuerId: 'AROA1',
  session: { issuedAt: 0, expiresAt: 1 },
}
const named = (statement: object) => ({
  id: 'p',
  policy: parseIdentityPolicy(JSON.stringify({ Version: '2012-10-17', Statement: statement })),
})
const everything = named({ Effect: 'Allow', Action: '*', Resource: '*' })
const elsewhere = (action: string) => named({ Effect: 'Allow', NotAction: action, Resource: '*' })
const exactly = (action: string, resource: string) => named({ Effect: 'Allow', Action: action, Resource: resource })

function effectFor(operation: string, principal: Principal | 'anonymous', policies?: PrincipalPolicies) {
  const row = ROW_OF.get(operation)
  const isOnBucket = row?.on === 'bucket' || row?.on === 'object'
  const query = new Map<string, string>()
  const bucket = {
    record: { name: BUCKET, ownerAccountId: OWNER },
    config: { region: 'us-east-1' },
  } as unknown as OpenBucket
  const request = {
    principal,
    ...(policies && { policies }),
    authentication: { kind: 'anonymous' },
    parsed: {
      operation,
      bucket: row?.on === 'account' ? '' : BUCKET,
      key: row?.on === 'object' ? KEY : '',
      query,
      headers: {},
      secure: true,
    },
    receivedAtMs: 0,
    sourceIp: '127.0.0.1',
    trail: NO_TRAIL,
  } as unknown as LocatedRequest
  const key = row?.on === 'object' ? KEY : ''
  const action = actionOf(request.parsed)
  return decisionOn(request, { bucket: isOnBucket ? bucket : undefined, action, key, existing: undefined }).effect
}

const NAMES = Object.keys(operations).filter((name) => name !== ASKED_BY_KEY)

describe('each operation of S3', () => {
  it('has a row', () => {
    expect(NAMES.filter((name) => !ROW_OF.has(name))).toEqual([])
    expect(NAMES.length).toBeGreaterThan(60)
  })

  it.each(NAMES)('%s is done by whom it may be, and by nobody else', (name) => {
    const row = ROW_OF.get(name)
    expect(row).toBeDefined()
    if (row === undefined) return
    const { on, action } = row
    const resource = RESOURCES[on]
    /** In an account of its own anybody may list and make buckets. */
    const inOwnAccount = on === 'account' || on === 'new' ? 'allow' : 'deny'
    const expected = [
      ['nobody', 'anonymous', undefined, 'deny'],
      ["another account's root", rootOf(OTHER), { identity: [] }, inOwnAccount],
      ["the owner's root", rootOf(OWNER), { identity: [] }, 'allow'],
      ['a user without a policy', alice, { identity: [] }, 'deny'],
      ['a user with exactly this', alice, { identity: [exactly(action, resource)] }, 'allow'],
      ['a user with this on something else', alice, { identity: [exactly(action, 'arn:aws:s3:::papers-2/*')] }, 'deny'],
      ['a user with all but this', alice, { identity: [elsewhere(action)] }, 'deny'],
      ['a user whose boundary has it', alice, { identity: [everything], boundary: exactly(action, resource) }, 'allow'],
      ['a user whose boundary excludes it', alice, { identity: [everything], boundary: elsewhere(action) }, 'deny'],
      [
        'a user to whom it is denied',
        alice,
        { identity: [everything, named({ Effect: 'Deny', Action: action, Resource: resource })] },
        'deny',
      ],
      ['a user of another account', { ...alice, accountId: OTHER }, { identity: [everything] }, inOwnAccount],
      ['a session of a role with this', role, { identity: [exactly(action, resource)] }, 'allow'],
      ['a session whose policy excludes it', role, { identity: [everything], session: [elsewhere(action)] }, 'deny'],
    ] as const
    const found = expected.map(([who, principal, policies]) => [
      who,
      effectFor(name, principal as Principal, policies as PrincipalPolicies | undefined),
    ])
    expect(found).toEqual(expected.map(([who, , , effect]) => [who, effect]))
  })
})
