import type { Mesh } from '@coffer/mesh'
import type { KmsAttributes } from '@coffer/object-record'
import { masterKeyNameOf } from '@coffer/s3-protocol'
import { rotationError } from '../errors.ts'

/**
 * The server itself decrypts what it sends, and asks no key policy for it: whoever set the rule must not get what others put into the bucket under keys
 * that he has no leave for. So a key has to be of the bucket's owner, or of the first account, whose operator lets the destination have such objects.
 * ROTATION_DESTINATION_REFUSED.
 */
export async function assertKeysOwner(mesh: Mesh, bucketName: string, { keyId }: KmsAttributes): Promise<void> {
  const { ownerAccountId } = await mesh.use('kms').findKeyPolicy(masterKeyNameOf(keyId))
  if (ownerAccountId === undefined) return
  const bucket = await mesh.use('metadata').findBucket(bucketName)
  if (bucket?.ownerAccountId === ownerAccountId) return
  throw rotationError('ROTATION_DESTINATION_REFUSED', {
    reason: 'its master key is of another account than the bucket',
  })
}
