import type { NamedPolicy, PrincipalPolicies } from './decide.ts'
import { parseIdentityPolicy } from './language/parse-policy.ts'
import type { Policy } from './language/policy.ts'

interface Attached {
  readonly id: string
  /** The same for the same document. */
  readonly version: string
  readonly document: string
}

interface AttachedToPrincipal {
  readonly id: string
  readonly identity: readonly Attached[]
  readonly boundary?: Attached
  readonly session?: readonly Attached[]
}

const KNOWN_MAX = 20_000

/** Makes attached documents into policies that can be asked: each document is read once, and each set put together once. */
export class PolicyReader {
  readonly #sets = new Map<string, PrincipalPolicies>()
  readonly #documents = new Map<string, Policy>()

  /** Undefined: not read yet. */
  known(id: string): PrincipalPolicies | undefined {
    return this.#sets.get(id)
  }

  read(attached: AttachedToPrincipal): PrincipalPolicies {
    const known = this.#sets.get(attached.id)
    if (known !== undefined) return known
    const { identity, boundary, session } = attached
    const policies = {
      identity: identity.map((each) => this.#named(each)),
      ...(boundary && { boundary: this.#named(boundary) }),
      ...(session && { session: session.map((each) => this.#named(each)) }),
    }
    if (this.#sets.size >= KNOWN_MAX) this.#sets.clear()
    this.#sets.set(attached.id, policies)
    return policies
  }

  #named({ id, version, document }: Attached): NamedPolicy {
    const known = this.#documents.get(version)
    if (known !== undefined) return { id, policy: known }
    const policy = parseIdentityPolicy(document)
    if (this.#documents.size >= KNOWN_MAX) this.#documents.clear()
    this.#documents.set(version, policy)
    return { id, policy }
  }
}
