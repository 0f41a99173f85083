import { isAliasName, scopedAliasName } from '@coffer/kms'
import type { Mesh } from '@coffer/mesh'
import type { BucketRecord } from '@coffer/metadata-store'
import { parseMasterKey } from '@coffer/s3-protocol'

/** The account whose aliases are named without it. */
const FIRST_ACCOUNT_NAME = 'root'

/** The master key of a bucket's default encryption, for the KMS service: an alias is that of the bucket's owner, or of the account of its ARN. */
export async function defaultKeyName(
  mesh: Mesh,
  { ownerAccountId }: Pick<BucketRecord, 'ownerAccountId'>,
  keyId: string,
): Promise<string> {
  const { accountId = ownerAccountId, name } = parseMasterKey(keyId)
  if (!isAliasName(name)) return name
  const accounts = await mesh.use('iam').listAccounts()
  const isFirst = accounts.some((account) => account.name === FIRST_ACCOUNT_NAME && account.accountId === accountId)
  return scopedAliasName({ alias: name, ...(!isFirst && { ownerAccountId: accountId }) })
}
