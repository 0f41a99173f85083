import { s3Error } from '@coffer/s3-protocol'
import type { GatewayContext } from '../gateway-context.ts'
import type { AuthorizedRequest } from '../requests.ts'
import { conditionValues } from '../steps/condition-values.ts'
import { NotAllowed } from '../steps/permission.ts'
import { foreignKeyRefused } from './named-in-s3.ts'
import { decideOnObjectKey, type ObjectKeyAction, type ObjectUnderKey } from './object-key-decision.ts'

/** Whether whoever asks for an object may also use the master key that it is under. AccessDenied. */
export async function assertMayUseKey(
  request: AuthorizedRequest,
  context: GatewayContext,
  action: ObjectKeyAction,
  object: ObjectUnderKey,
): Promise<void> {
  const { principal, policies } = request
  const values = (ownerAccountId: string) => conditionValues(request, { accountId: ownerAccountId })
  const where = { guards: context.keyGuards, region: context.options.region }
  const decided = await decideOnObjectKey({ principal, policies, action, values }, object, where)
  if (decided === undefined) return
  const { decision, keyArn, keyAccountId } = decided
  request.trail.decided(action, decision)
  if (decision.effect === 'allow') return
  const ofAccountId = principal === 'anonymous' ? object.bucket.record.ownerAccountId : principal.accountId
  // Named by who writes, maybe as a guess.
  if (action === 'kms:GenerateDataKey' && keyAccountId !== ofAccountId)
    throw foreignKeyRefused(new NotAllowed(decision))
  const who = principal === 'anonymous' ? 'Anonymous' : `User: ${principal.arn}`
  throw s3Error('AccessDenied', {
    message: `${who} is not authorized to perform: ${action} on resource: ${keyArn}`,
    cause: new NotAllowed(decision),
  })
}
