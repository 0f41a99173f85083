import { isCofferError } from '@coffer/errors'
import type { KmsAttributes } from '@coffer/object-record'
import { masterKeyNameOf, s3Error } from '@coffer/s3-protocol'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { GatewayContext } from '../gateway-context.ts'
import type { AuthorizedRequest } from '../requests.ts'
import { conditionValues } from '../steps/condition-values.ts'
import { NotAllowed } from '../steps/permission.ts'
import { resourceOf } from '../steps/s3-actions.ts'
import { decideWithGrants } from './grant-decision.ts'

/**
 * Whether whoever asks for an object may also use the master key that it is under (S3 User Guide, "Using server-side encryption
 * with AWS KMS keys": kms:GenerateDataKey to write, kms:Decrypt to read). S3 asks in their name and adds the ARN of the object to
 * the encryption context, or of the bucket with a bucket key. Nothing to ask for other kinds of encryption. AccessDenied.
 */
export async function assertMayUseKey(
  request: AuthorizedRequest,
  context: GatewayContext,
  action: 'kms:GenerateDataKey' | 'kms:Decrypt',
  { bucket, key, kms }: { readonly bucket: OpenBucket; readonly key: string; readonly kms: KmsAttributes | undefined },
): Promise<void> {
  if (kms === undefined) return
  const { principal, policies } = request
  const guard = await context.keyGuards.find(masterKeyNameOf(kms.keyId)).catch((error: unknown) => {
    // An alias or a connector that is gone: what needs the key says so, in its own words.
    if (isCofferError(error)) return undefined
    throw error
  })
  if (guard === undefined || guard.isServerKey) return
  const arn = resourceOf(bucket.record.name, kms.bucketKeyEnabled ? '' : key)
  const asked = {
    principal,
    policies,
    action,
    encryptionContext: { ...kms.encryptionContext, 'aws:s3:arn': arn },
    viaService: `s3.${context.options.region}.amazonaws.com`,
    values: conditionValues(request, undefined, guard.ownerAccountId),
  }
  const decision = await decideWithGrants(guard, asked, context.keyGuards)
  request.trail.decided(action, decision)
  if (decision.effect === 'allow') return
  const who = principal === 'anonymous' ? 'Anonymous' : `User: ${principal.arn}`
  throw s3Error('AccessDenied', {
    message: `${who} is not authorized to perform: ${action} on resource: ${guard.arn}`,
    cause: new NotAllowed(decision),
  })
}
