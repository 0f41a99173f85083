import type { Owner } from '@coffer/s3-protocol'
import type { GatewayContext } from '../gateway-context.ts'
import type { AuthorizedRequest } from '../requests.ts'
import type { OpenBucket } from './bucket-cache.ts'

const KNOWN_MAX = 10_000

/** Names of accounts never change. */
const known = new Map<string, Owner>()

/** The owner of a bucket, as listings show it: the principal, or whoever lets it in. */
export function ownerOf(request: AuthorizedRequest, context: GatewayContext, { record }: OpenBucket): Promise<Owner> {
  return accountAsOwner(request, context, record.ownerAccountId)
}

/** An account as S3 shows it; asked for once. */
export async function accountAsOwner(
  { principal }: AuthorizedRequest,
  context: GatewayContext,
  accountId: string,
): Promise<Owner> {
  if (principal !== 'anonymous' && principal.accountId === accountId) {
    return { id: principal.canonicalId, displayName: principal.accountName }
  }
  const owner = known.get(accountId)
  if (owner !== undefined) return owner
  const account = await context.options.mesh.use('iam').findAccount(accountId)
  if (account === undefined) return { id: accountId, displayName: '' }
  const found = { id: account.canonicalId, displayName: account.name }
  if (known.size >= KNOWN_MAX) known.clear()
  known.set(accountId, found)
  return found
}
