import type { IamService } from '@coffer/contracts'
import { type BoundPrincipals, type Policy, principalsNamedIn, withPrincipals } from '@coffer/policy'

/** A policy that names somebody who is not there; the message is AWS's, for its author. */
export class PrincipalUnknown extends Error {
  readonly principal: string

  constructor(principal: string) {
    super('Invalid principal in policy')
    this.principal = principal
  }
}

/** Who the users, roles and sessions are that a policy names, to be kept beside it. PrincipalUnknown. */
export async function bindPrincipals(policy: Policy, iam: IamService): Promise<BoundPrincipals> {
  const named = principalsNamedIn(policy)
  if (named.length === 0) return {}
  const ids = await iam.identifyPrincipals(named)
  const unknown = named.find((name) => ids[name] === undefined)
  if (unknown !== undefined) throw new PrincipalUnknown(unknown)
  return Object.fromEntries(Object.entries(ids).filter(([name, id]) => id !== name))
}

/**
 * A policy as it is shown: as it was given, but whoever was renamed by the new ARN, and whoever is gone by their unique id (IAM User Guide,
 * "AWS JSON policy elements: Principal").
 */
export async function shownPolicy(text: string, bound: BoundPrincipals | undefined, iam: IamService): Promise<string> {
  if (bound === undefined) return text
  const written = new Set<string>()
  withPrincipals(text, (name) => {
    written.add(name)
    return name
  })
  const ids = new Map([...written].map((name) => [name, bound[name] ?? name]))
  const arns = await iam.findPrincipalArns([...new Set(ids.values())])
  return withPrincipals(text, (name) => {
    const id = ids.get(name) ?? name
    return arns[id] ?? id
  })
}
