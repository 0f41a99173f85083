import { decideOnObjectKey, type ObjectKeyAction, type ObjectUnderKey } from '../keys/object-key-decision.ts'
import { resourceValue } from '../steps/condition-values.ts'
import type { Where } from './explain-bucket.ts'
import type { ExplainedUse, Explaining } from './explained-use.ts'

/** Undefined: the object is under no key that has to be asked about. */
export async function explainObjectKey(
  { principal, policies, values }: Explaining,
  action: ObjectKeyAction,
  object: ObjectUnderKey,
  where: Where,
): Promise<ExplainedUse | undefined> {
  const valuesOf = (ownerAccountId: string) => values.of((name) => resourceValue(name, { accountId: ownerAccountId }))
  const decided = await decideOnObjectKey({ principal, policies, action, values: valuesOf }, object, where)
  if (decided === undefined) return undefined
  const { decision, keyArn } = decided
  return { decision, action, resource: keyArn, resourcePolicies: [keyArn], resourcePolicy: 'asked' }
}
