import type { Policy } from './policy.ts'

/**
 * Whom names in a policy meant when it was saved: unique ids by the ARNs of users, roles and their sessions (IAM User Guide, "AWS JSON
 * policy elements: Principal": whoever is given such a name later is somebody else).
 */
export type BoundPrincipals = Readonly<Record<string, string>>

type Json = { readonly [name: string]: unknown }

/** Of accounts their ids, of all others that can be looked up what the policy says: ARNs, unique ids, canonical ids. */
export function principalsNamedIn({ statements }: Policy): readonly string[] {
  const named = statements.flatMap(({ principals }) =>
    (principals?.of ?? []).flatMap((one) => {
      switch (one.kind) {
        case 'account':
          return [one.accountId]
        case 'arn':
          return [one.arn]
        case 'unique-id':
          return [one.uniqueId]
        case 'canonical':
          return [one.canonicalId]
        default:
          return []
      }
    }),
  )
  return [...new Set(named)]
}

/** The text of a policy with other names for its principals of the kind AWS; the very text where all stay as they are. */
export function withPrincipals(text: string, nameOf: (written: string) => string): string {
  let isChanged = false
  const renamed = (written: unknown): unknown => {
    if (Array.isArray(written)) return written.map(renamed)
    if (typeof written !== 'string') return written
    const name = nameOf(written)
    if (name !== written) isChanged = true
    return name
  }
  const principal = (value: unknown): unknown =>
    typeof value === 'object' && value !== null && 'AWS' in value ? { ...value, AWS: renamed(value.AWS) } : value
  const statement = (value: Json): Json => ({
    ...value,
    ...(value.Principal !== undefined && { Principal: principal(value.Principal) }),
    ...(value.NotPrincipal !== undefined && { NotPrincipal: principal(value.NotPrincipal) }),
  })
  const { Statement, ...rest } = JSON.parse(text) as { readonly Statement: Json | readonly Json[] }
  const shown = {
    ...rest,
    Statement: Array.isArray(Statement) ? Statement.map(statement) : statement(Statement as Json),
  }
  return isChanged ? JSON.stringify(shown) : text
}
