import { isAliasName, keyNameOf, kmsError, SERVER_KEY_ID, scopedAliasName } from '@coffer/kms'
import type { Mesh } from '@coffer/mesh'
import type { BucketRecord } from '@coffer/metadata-store'
import { parseMasterKey } from '@coffer/s3-protocol'

/** The account whose aliases are named without it, and whose keys are that name no owner. */
const FIRST_ACCOUNT_NAME = 'root'

/**
 * The master key of a bucket's default encryption, `connector/key`: an alias is that of the bucket's owner, or of the account of its ARN. Nobody asks for
 * it in their own name here, so it has to be of the bucket's owner, or the server's own: whoever may name another account's key has no leave
 * for it by that. KMS_ACCESS_DENIED, KMS_ALIAS_NOT_FOUND.
 */
export async function defaultKeyName(
  mesh: Mesh,
  { ownerAccountId }: Pick<BucketRecord, 'ownerAccountId'>,
  keyId: string,
): Promise<string> {
  const { accountId = ownerAccountId, name } = parseMasterKey(keyId)
  const accounts = await mesh.use('iam').listAccounts()
  const firstAccountId = accounts.find((account) => account.name === FIRST_ACCOUNT_NAME)?.accountId
  const scope = accountId === firstAccountId ? {} : { ownerAccountId: accountId }
  const named = isAliasName(name) ? scopedAliasName({ alias: name, ...scope }) : name
  const key = await mesh.use('kms').findKeyPolicy(named)
  const isServerKey = key.connector === key.defaultConnector && key.keyId === SERVER_KEY_ID
  if (isServerKey || (key.ownerAccountId ?? firstAccountId) === ownerAccountId) return keyNameOf(key)
  throw kmsError('KMS_ACCESS_DENIED', {
    keyId: keyId.slice(0, 300),
    reason: 'it is of another account than the bucket',
  })
}
