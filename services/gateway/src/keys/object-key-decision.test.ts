import { CofferError } from '@coffer/errors'
import { describe, expect, it } from 'vitest'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { KeyGuards } from './key-guards.ts'
import { decideOnObjectKey } from './object-key-decision.ts'

/** Where nobody can say who may use the key. */
const guardsFailing = (code: string) =>
  ({ find: () => Promise.reject(new CofferError({ code, message: code })) }) as unknown as KeyGuards

const decide = (code: string) =>
  decideOnObjectKey(
    { principal: 'anonymous', policies: undefined, action: 'kms:Decrypt', values: () => () => undefined },
    {
      bucket: { record: { name: 'papers' } } as OpenBucket,
      key: 'k',
      kms: { keyId: 'local/payments', bucketKeyEnabled: true },
    },
    { guards: guardsFailing(code), region: 'us-east-1' },
  )

describe('the policy of an object’s master key', () => {
  it.each(['META_UNAVAILABLE', 'MESH_SERVICE_UNAVAILABLE', 'META_STORE_CLOSED', 'KMS_ALIAS_NOT_FOUND'])(
    'that is not found because of %s lets nobody use the key, although a bucket key of it may be at hand',
    async (code) => {
      await expect(decide(code)).rejects.toMatchObject({ code })
    },
  )
})
