import { describe, expect, it } from 'vitest'
import { decide } from './decide.ts'

describe('decide', () => {
  it.each([
    [{ principal: 'anonymous', action: 's3:ListBuckets' }, 'deny', 'anonymous'],
    [{ principal: 'anonymous', action: 's3:GetObject', bucketOwnerAccountId: '1' }, 'deny', 'anonymous'],
    [{ principal: { accountId: '1' }, action: 's3:CreateBucket' }, 'allow', 'own-account'],
    [{ principal: { accountId: '1' }, action: 's3:ListBuckets' }, 'allow', 'own-account'],
    [{ principal: { accountId: '1' }, action: 's3:ListAllMyBuckets' }, 'allow', 'own-account'],
    [{ principal: { accountId: '1' }, action: 's3:GetObject', bucketOwnerAccountId: '1' }, 'allow', 'own-bucket'],
    [{ principal: { accountId: '1' }, action: 's3:GetObject' }, 'deny', 'no-bucket'],
    [{ principal: { accountId: '1' }, action: 's3:DeleteBucket' }, 'deny', 'no-bucket'],
    [{ principal: { accountId: '1' }, action: 'kms:Decrypt', bucketOwnerAccountId: '1' }, 'deny', 'other-action'],
    [{ principal: { accountId: '1' }, action: 'kms:Decrypt' }, 'deny', 'no-bucket'],
    [{ principal: { accountId: '2' }, action: 's3:GetObject', bucketOwnerAccountId: '1' }, 'deny', 'other-account'],
    [{ principal: { accountId: '' }, action: 's3:GetObject', bucketOwnerAccountId: '1' }, 'deny', 'other-account'],
  ] as const)('decides %j: %s (%s)', (request, effect, reason) => {
    expect(decide(request)).toEqual({ effect, reason })
  })
})
