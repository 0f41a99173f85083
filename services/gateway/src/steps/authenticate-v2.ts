import { type SignatureV2, s3Error } from '@coffer/s3-protocol'
import type { GatewayContext } from '../gateway-context.ts'
import type { UnderstoodRequest } from '../requests.ts'
import type { SigningKey } from '../signing-keys.ts'

/** Who signed with Signature Version 2. InvalidAccessKeyId, SignatureDoesNotMatch. */
export async function signerOfV2(
  signed: SignatureV2,
  { trail, receivedAtMs }: UnderstoodRequest,
  context: GatewayContext,
): Promise<Omit<SigningKey, 'keyBytes'>> {
  const { accessKeyId } = signed
  const signer = await context.signingKeys.findSignerV2(signed)
  if (signer === 'unknown-access-key') throw s3Error('InvalidAccessKeyId')
  if (signer === 'mismatch') throw s3Error('SignatureDoesNotMatch', { details: { AWSAccessKeyId: accessKeyId } })
  trail.claimedBy(signer.principal)
  trail.verified()
  const use = { accessKeyId, date: '', service: 's3', region: context.options.region }
  context.signingKeys.used(use, signer.principal, receivedAtMs)
  return signer
}
