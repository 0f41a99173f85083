import type { AuditedService, AuditStatement } from '@coffer/audit'
import type { Principal, StoredObjectKey } from '@coffer/contracts'

export interface UnderstoodFacts {
  readonly service: AuditedService
  /** As the service's API names it. */
  readonly operation: string
  /** It changes a bucket's configuration, a key, or who may do what: not the data of an object. */
  readonly isChange: boolean
  readonly bucket?: string
  readonly key?: string
  readonly versionId?: string | undefined
}

export interface NamedFacts {
  readonly key?: string | undefined
  /** What else it is about: a key id, a user, a role, an ARN. */
  readonly resource?: string | undefined
}

export interface DecidedFacts {
  readonly effect: 'allow' | 'deny'
  readonly reason: string
  readonly statement?: AuditStatement
}

/**
 * What the audit trail is told of a request on its way; the record is made when its connection has the answer. Every endpoint
 * on the port tells it the same things: what was understood, who it is, what was decided, which key was used, what failed.
 * Nothing that it takes is a header, a query or a body.
 */
export interface Trail {
  /** Before anything else: waits while the trail takes no more. AUDIT_UNAVAILABLE. */
  admit(): Promise<void> | undefined
  /** The same for trails of changes only, which can tell now. */
  understood(facts: UnderstoodFacts): Promise<void> | undefined
  names(facts: NamedFacts): void
  /** The access key is this principal's; whether the signature is too is not known yet. */
  claimedBy(principal: Principal): void
  verified(): void
  /** The first decision, unless a later one is a refusal: that is then the one that counts. */
  decided(action: string, decision: DecidedFacts): void
  usedKey(stored: Pick<StoredObjectKey, 'keyRef'>): void
  /** One of several things that a request does, which gets a record of its own. */
  item(facts: { readonly key: string; readonly versionId?: string | undefined; readonly error?: string }): void
  failed(code: string): void
}

/** Of a request that leaves no record. */
export const NO_TRAIL: Trail = {
  admit: () => undefined,
  understood: () => undefined,
  names: () => undefined,
  claimedBy: () => undefined,
  verified: () => undefined,
  decided: () => undefined,
  usedKey: () => undefined,
  item: () => undefined,
  failed: () => undefined,
}
