import type { GrantConstraints } from '@coffer/contracts'
import {
  type ContextValues,
  type Decision,
  decide,
  namesKey,
  type PrincipalPolicies,
  type RequestPrincipal,
} from '@coffer/policy'
import { remembered } from '../steps/condition-values.ts'
import type { KeyGuard } from './key-guards.ts'

const CONTEXT_KEY = 'kms:encryptioncontext:'
const TAG_KEY = 'aws:resourcetag/'
const RESOURCE_ALIASES = 'kms:resourcealiases'
const OF_GRANTS: ReadonlySet<string> = new Set(['kms:CreateGrant', 'kms:ListGrants', 'kms:RevokeGrant'])

/** A grant as a request asks for it; it may turn out to be none that can be made. */
export interface GrantAsked {
  readonly operations: readonly string[]
  readonly constraints?: GrantConstraints
  readonly granteePrincipal?: string
  readonly retiringPrincipal?: string
}

/** What is to be done with a key, and by whom. */
export interface KeyUseAsked {
  readonly principal: RequestPrincipal
  readonly policies: PrincipalPolicies | undefined
  /** `kms:Decrypt`. */
  readonly action: string
  readonly encryptionContext: Readonly<Record<string, string>>
  /** `s3.<region>.amazonaws.com`: S3 asks for its client. */
  readonly viaService?: string
  /** `alias/x`: the request names the key by it. */
  readonly requestAlias?: string | undefined
  /** All of the key's, where a policy asks for them. */
  readonly aliases?: readonly string[]
  /** What CreateGrant is to make. */
  readonly newGrant?: GrantAsked | undefined
  /** Values of every other condition key. */
  readonly values: ContextValues
}

/**
 * Whether the key's policy and the principal's own let it be done. Source: AWS KMS Developer Guide, "Determining access to AWS KMS
 * keys": without a word of the key's policy nobody may do anything, its owner's root included.
 */
export function decideOnKey(guard: KeyGuard, asked: KeyUseAsked): Decision {
  const { principal, policies, action } = asked
  return decide({
    principal,
    policies,
    action,
    resource: guard.arn,
    values: keyValues(guard, asked),
    resourceAccountId: guard.ownerAccountId,
    resourcePolicy: guard.policy,
    needsResourcePolicy: true,
  })
}

const namesResourceAliases = remembered((policy) => namesKey(policy, RESOURCE_ALIASES))

/** Whether what decides on a key wants to know all of its aliases. */
export function asksForAliases({ policy }: KeyGuard, { policies }: Pick<KeyUseAsked, 'policies'>): boolean {
  const { identity = [], boundary, session = [] } = policies ?? {}
  const all = [policy, ...identity, ...(boundary ? [boundary] : []), ...session]
  return all.some((named) => namesResourceAliases(named.policy))
}

/** What conditions are told. Tags are those of the key alone: S3 knows of a bucket's by the same name, which say nothing of a key. */
export function keyValues(guard: KeyGuard, asked: KeyUseAsked): ContextValues {
  return (key) => {
    if (key.startsWith(TAG_KEY)) return tagOf(guard, key.slice(TAG_KEY.length))
    return valuesOf(key, asked) ?? asked.values(key)
  }
}

function tagOf({ tags }: KeyGuard, wanted: string): readonly string[] | undefined {
  const tag = tags.find((one) => one.key.toLowerCase() === wanted)
  return tag && [tag.value]
}

/** Service Authorization Reference, AWS KMS, "Condition keys". */
function valuesOf(
  key: string,
  { principal, action, encryptionContext, viaService, requestAlias, aliases, newGrant }: KeyUseAsked,
): readonly string[] | undefined {
  if (key.startsWith(CONTEXT_KEY)) {
    const wanted = key.slice(CONTEXT_KEY.length)
    // A name that is written so comes before one that differs by case, which a client may have put there.
    const value = Object.hasOwn(encryptionContext, wanted)
      ? encryptionContext[wanted]
      : Object.entries(encryptionContext).find(([name]) => name.toLowerCase() === wanted)?.[1]
    return value === undefined ? undefined : [value]
  }
  switch (key) {
    case 'kms:encryptioncontextkeys':
      return Object.keys(encryptionContext)
    case 'kms:viaservice':
      return viaService === undefined ? undefined : [viaService]
    case 'kms:requestalias':
      return requestAlias === undefined ? undefined : [requestAlias]
    case RESOURCE_ALIASES:
      return aliases
    case 'kms:calleraccount':
      return typeof principal === 'object' && 'accountId' in principal ? [principal.accountId] : undefined
    case 'kms:keyspec':
    case 'kms:encryptionalgorithm':
      return ['SYMMETRIC_DEFAULT']
    case 'kms:keyusage':
      return ['ENCRYPT_DECRYPT']
    case 'kms:keyorigin':
      return ['AWS_KMS']
    // No service of AWS asks for its client here, but S3, and that makes no grants.
    case 'kms:grantisforawsresource':
      return OF_GRANTS.has(action) ? ['false'] : undefined
    case 'kms:grantoperations':
      return newGrant?.operations
    case 'kms:grantconstrainttype':
      return newGrant?.constraints && constraintTypes(newGrant.constraints)
    case 'kms:granteeprincipal':
      return newGrant?.granteePrincipal === undefined ? undefined : [newGrant.granteePrincipal]
    case 'kms:retiringprincipal':
      return newGrant?.retiringPrincipal === undefined ? undefined : [newGrant.retiringPrincipal]
    default:
      return undefined
  }
}

function constraintTypes({ encryptionContextEquals, encryptionContextSubset }: GrantConstraints): readonly string[] {
  return [
    ...(encryptionContextEquals === undefined ? [] : ['EncryptionContextEquals']),
    ...(encryptionContextSubset === undefined ? [] : ['EncryptionContextSubset']),
  ]
}
