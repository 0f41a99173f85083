import type { GrantConstraints, GrantOperation, KeyGrant } from '@coffer/contracts'
import {
  type Decision,
  decide,
  type KnownPrincipal,
  type NamedPolicy,
  type Policy,
  type RequestPrincipal,
} from '@coffer/policy'
import { asksForAliases, decideOnKey, type KeyUseAsked, keyValues } from './key-decision.ts'
import type { KeyGuard, KeyGuards } from './key-guards.ts'
import { keyPolicyOf } from './key-policy.ts'

/** Constraints speak of the encryption context, and these have none (AWS KMS API Reference, CreateGrant, Constraints). */
const WITHOUT_CONTEXT: ReadonlySet<string> = new Set(['kms:DescribeKey', 'kms:RetireGrant'])

/**
 * As `decideOnKey`, and where no policy allows it, whether a grant does (AWS KMS Developer Guide, "Grants in AWS KMS"): a Deny beats
 * grants too. So grants are looked for only where without one it is refused.
 */
export async function decideWithGrants(
  guard: KeyGuard,
  use: KeyUseAsked,
  guards: KeyGuards,
  byToken: readonly KeyGrant[] = [],
): Promise<Decision> {
  const asked = asksForAliases(guard, use) ? { ...use, aliases: await guards.findAliases(guard.name) } : use
  const decision = decideOnKey(guard, asked)
  if (decision.effect === 'allow' || decision.reason === 'explicit-deny' || !isKnown(asked.principal)) return decision
  const ofToken = byToken.filter((grant) => guard.name === `${grant.connector}/${grant.keyId}`)
  for (const grant of [...ofToken, ...(await guards.findGrants(guard.name, asked.principal))]) {
    const granted = isWithin(grant, asked) ? decideByGrant(grant, guard, asked) : undefined
    if (granted?.effect === 'allow') return granted
  }
  return decision
}

/**
 * Who may retire a grant (AWS KMS Developer Guide, "Retiring and revoking grants"): its retiring principal, its grantee if it says so,
 * the account that made it, and whom the policies of these accounts let. The key's policy has no word in it.
 */
export function decideOnRetirement(grant: KeyGrant, keyArn: string, asked: KeyUseAsked): Decision {
  const { retiringPrincipal, retiringId = retiringPrincipal, operations, issuingAccountId } = grant
  const who = [
    `arn:aws:iam::${issuingAccountId}:root`,
    ...(retiringId === undefined ? [] : [retiringId]),
    ...(operations.includes('RetireGrant') ? [granteeOf(grant)] : []),
  ]
  return decideFor(who, grant, keyArn, asked)
}

/** PolicyMalformed for what names nobody that a policy could name. */
export function assertGrantPrincipal(arn: string): void {
  policyFor([arn.startsWith('arn:') ? arn : ''], 'kms:Decrypt')
}

/** All by which a grant can name a principal: unique ids, and ARNs, which count only in grants that have none. */
export function granteeNamesOf({ arn, userId, issuerArn, issuerId, accountId }: KnownPrincipal): readonly string[] {
  const all = [userId, issuerId, arn, issuerArn, `arn:aws:iam::${accountId}:root`]
  return all.filter((name) => name !== undefined)
}

function granteeOf({ granteePrincipal, granteeId = granteePrincipal }: KeyGrant): string {
  return granteeId
}

function isWithin({ operations, constraints }: KeyGrant, asked: KeyUseAsked): boolean {
  const { action, encryptionContext, newGrant } = asked
  if (!operations.some((operation) => action === `kms:${operation}`)) return false
  if (action === 'kms:CreateGrant') return newGrant !== undefined && isNoMore(newGrant, { operations, constraints })
  return WITHOUT_CONTEXT.has(action) || isMet(constraints, encryptionContext)
}

function isMet(constraints: GrantConstraints | undefined, context: Readonly<Record<string, string>>): boolean {
  const { encryptionContextEquals: equals, encryptionContextSubset: subset } = constraints ?? {}
  return (equals === undefined || isSame(equals, context)) && (subset === undefined || includes(context, subset))
}

/** By a grant only a grant of some of its operations can be made, with constraints as strict or stricter. */
function isNoMore(
  made: { readonly operations: readonly string[]; readonly constraints?: GrantConstraints | undefined },
  by: { readonly operations: readonly GrantOperation[]; readonly constraints?: GrantConstraints | undefined },
): boolean {
  if (!made.operations.every((operation) => by.operations.some((one) => one === operation))) return false
  const { encryptionContextEquals: equals, encryptionContextSubset: subset } = by.constraints ?? {}
  const madeEquals = made.constraints?.encryptionContextEquals
  const madeSubset = made.constraints?.encryptionContextSubset
  const isAsExact = equals === undefined || (madeEquals !== undefined && isSame(equals, madeEquals))
  const isAsNarrow = subset === undefined || [madeEquals, madeSubset].some((one) => one && includes(one, subset))
  return isAsExact && isAsNarrow
}

function isSame(one: Readonly<Record<string, string>>, other: Readonly<Record<string, string>>): boolean {
  return Object.keys(one).length === Object.keys(other).length && includes(one, other)
}

function includes(context: Readonly<Record<string, string>>, pairs: Readonly<Record<string, string>>): boolean {
  return Object.entries(pairs).every(([name, value]) => Object.hasOwn(context, name) && context[name] === value)
}

function decideByGrant(grant: KeyGrant, guard: KeyGuard, asked: KeyUseAsked): Decision {
  return decideFor([granteeOf(grant)], grant, guard.arn, { ...asked, values: keyValues(guard, asked) })
}

/**
 * A grant is as a statement of the key's policy that names its grantee, in whatever account that is: a role's sessions keep within
 * their boundaries, and who is of an account that is named needs leave of its own policies.
 */
function decideFor(who: readonly string[], { grantId }: KeyGrant, keyArn: string, asked: KeyUseAsked): Decision {
  const { principal, policies, action, values } = asked
  if (!isKnown(principal)) return { effect: 'deny', reason: 'no-resource-policy' }
  const resourcePolicy: NamedPolicy = { id: `${keyArn} grant ${grantId}`, policy: policyFor(who, action) }
  return decide({
    principal,
    policies,
    action,
    resource: keyArn,
    values,
    resourceAccountId: principal.accountId,
    resourcePolicy,
    needsResourcePolicy: true,
  })
}

function policyFor(who: readonly string[], action: string): Policy {
  const Statement = [{ Effect: 'Allow', Principal: { AWS: who }, Action: action, Resource: '*' }]
  return keyPolicyOf(JSON.stringify({ Version: '2012-10-17', Statement }))
}

function isKnown(principal: RequestPrincipal): principal is KnownPrincipal {
  return principal !== 'anonymous' && principal.kind !== 'proven-identity'
}
