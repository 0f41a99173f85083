import { s3Error } from '@coffer/s3-protocol'
import type { GatewayContext } from '../gateway-context.ts'
import type { AuthorizedRequest, LocatedRequest } from '../requests.ts'
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
  const { principal } = request
  const decided = await decisionFor(request, context, action, object)
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

/**
 * The same of a key of another account that a write names, before any other policy is asked about it: one that only its writer has a word in could tell
 * by its refusals which key an alias names, or whether there is one. AccessDenied.
 */
export async function assertMayNameKey(
  request: LocatedRequest,
  context: GatewayContext,
  object: ObjectUnderKey,
): Promise<void> {
  const action = 'kms:GenerateDataKey'
  const decided = await decisionFor(request, context, action, object)
  if (decided === undefined || decided.decision.effect === 'allow') return
  request.trail.decided(action, decided.decision)
  throw foreignKeyRefused(new NotAllowed(decided.decision))
}

function decisionFor(
  request: LocatedRequest,
  { keyGuards: guards, options: { region } }: GatewayContext,
  action: ObjectKeyAction,
  object: ObjectUnderKey,
) {
  const { principal, policies } = request
  const values = (ownerAccountId: string) => conditionValues(request, { accountId: ownerAccountId })
  return decideOnObjectKey({ principal, policies, action, values }, object, { guards, region })
}
