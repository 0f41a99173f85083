import type { Owner } from '@coffer/s3-protocol'
import type { GatewayContext } from '../gateway-context.ts'
import type { AuthorizedRequest } from '../requests.ts'
import type { OpenBucket } from './bucket-cache.ts'

const KNOWN_MAX = 10_000

/** Names of accounts never change. */
const known = new Map<string, Owner>()

/** The owner of a bucket, as listings show it: the principal, or whoever lets it in. */
export async function ownerOf(
  { principal }: AuthorizedRequest,
  context: GatewayContext,
  { record }: OpenBucket,
): Promise<Owner> {
  const { ownerAccountId } = record
  if (principal !== 'anonymous' && principal.accountId === ownerAccountId) {
    return { id: principal.canonicalId, displayName: principal.accountName }
  }
  const owner = known.get(ownerAccountId)
  if (owner !== undefined) return owner
  const account = await context.options.mesh.use('iam').findAccount(ownerAccountId)
  if (account === undefined) return { id: ownerAccountId, displayName: '' }
  const found = { id: account.canonicalId, displayName: account.name }
  if (known.size >= KNOWN_MAX) known.clear()
  known.set(ownerAccountId, found)
  return found
}
