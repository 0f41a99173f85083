import { keyNameOf } from '@coffer/kms'
import { z } from 'zod'
import { keyId } from '../fields.ts'
import { assertNotServerKey, secondsOf } from '../key-metadata.ts'
import { keyArnOf } from '../key-names.ts'
import { keyNamed, liveKeyNamed } from '../named-keys.ts'
import { kmsApiOperation } from '../operation.ts'

/** KMSInvalidStateException while objects or buckets of this server need the key; ciphertexts that clients hold don't count. */
export const scheduleKeyDeletion = kmsApiOperation(
  z.strictObject({ KeyId: keyId, PendingWindowInDays: z.int().min(7).max(30).default(30) }),
  async ({ KeyId, PendingWindowInDays }, call) => {
    const found = await liveKeyNamed(call, KeyId)
    assertNotServerKey(found, call)
    const key = await call.kms.scheduleKeyDeletion(keyNameOf(found), PendingWindowInDays)
    return {
      KeyId: keyArnOf(key, call),
      KeyState: 'PendingDeletion',
      PendingWindowInDays,
      ...(key.deletionAt !== undefined && { DeletionDate: secondsOf(key.deletionAt) }),
    }
  },
  { changesKeys: true },
)

/** The key is disabled afterwards, as in AWS. */
export const cancelKeyDeletion = kmsApiOperation(
  z.strictObject({ KeyId: keyId }),
  async ({ KeyId }, call) => ({
    KeyId: keyArnOf(await call.kms.cancelKeyDeletion((await keyNamed(call, KeyId)).name), call),
  }),
  { changesKeys: true },
)
