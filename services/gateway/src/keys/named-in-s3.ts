import { isAliasName } from '@coffer/kms'
import { parseMasterKey, s3Error } from '@coffer/s3-protocol'
import type { KeyGuard, KeyGuards, NamedGuard } from './key-guards.ts'

/**
 * The master key that a request of S3 names, or a bucket's default. An id or alias is of the account that asks, another account's key is named by its
 * ARN (S3 API, PutObject, SSEKMSKeyId: "If the KMS key doesn't exist in the same account that's issuing the command, you must use the full Key ARN").
 * KMS.NotFoundException for a name that is none.
 */
export async function findNamedKey(keyId: string, ofAccountId: string, guards: KeyGuards): Promise<NamedGuard> {
  const { accountId = ofAccountId, name } = parseMasterKey(keyId)
  const found = await guards.findNamed({ accountId, name })
  // The server's own is everybody's, as every account of AWS has its own aws/s3.
  if (found.isThere || !found.guard.isServerKey) return found
  return { guard: await guards.find(isAliasName(name) ? SERVER_KEY_ALIAS : name), isThere: true }
}

const SERVER_KEY_ALIAS = 'alias/aws/s3'

/** An ARN that is given now names a key of this region, as the KMS API has it; what is stored already stays readable. KMS.NotFoundException. */
export function assertKeyOfRegion(keyId: string, guards: Pick<KeyGuards, 'region'>): void {
  const { region = guards.region } = parseMasterKey(keyId)
  if (region !== guards.region) throw s3Error('KMS.NotFoundException', { message: `Invalid arn ${region}` })
}

/**
 * What is kept of the name: as it was written, but for an alias the key that it stands for now, so that what is decided on is what is used. The answer to
 * who names a key of another account is the same whether it is there or not. KMS.NotFoundException, AccessDenied.
 */
export async function requestedKeyId(keyId: string, ofAccountId: string, guards: KeyGuards): Promise<string> {
  const { guard, isThere } = await findNamedKey(keyId, ofAccountId, guards)
  if (!isThere) throw refused(guard, ofAccountId)
  return isAliasName(parseMasterKey(keyId).name) ? guard.name : keyId
}

function refused({ arn, ownerAccountId }: KeyGuard, ofAccountId: string) {
  if (ownerAccountId === ofAccountId) return s3Error('KMS.NotFoundException', { message: `'${arn}' does not exist` })
  return foreignKeyRefused()
}

/** Of a key of another account: the same where it is there and where not, or else names could be guessed, and aliases be followed. */
export function foreignKeyRefused(cause?: Error): Error {
  return s3Error('AccessDenied', {
    message: 'Not authorized to use this master key of another account, or it does not exist.',
    ...(cause && { cause }),
  })
}
