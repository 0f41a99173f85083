/**
 * Who makes a request: the root of an account, one of its users, a session of one of its roles, or a federated user. ARNs, unique
 * ids and what they are called as AWS has them (IAM User Guide, "IAM identifiers"; "aws:userid", "aws:PrincipalType").
 */
export type Principal = AccountRootPrincipal | IamUserPrincipal | AssumedRolePrincipal | FederatedUserPrincipal

interface PrincipalFacts {
  readonly accountId: string
  readonly accountName: string
  /** 64 hex characters: of the account, as S3 names owners. */
  readonly canonicalId: string
  readonly accessKeyId: string
  /** Of the root, the user, the role session or the federated user itself. */
  readonly arn: string
  /** `aws:userid`. */
  readonly userId: string
  /** `aws:PrincipalTag`: of the user; of a session those of its role and its own together. */
  readonly tags?: Readonly<Record<string, string>>
  /** Of temporary credentials only. */
  readonly session?: SessionFacts
}

/** Temporary credentials. There is no second factor, so none has one. */
export interface SessionFacts {
  readonly issuedAt: number
  readonly expiresAt: number
  readonly sourceIdentity?: string
  /** Of AssumeRoleWith...: who vouched. */
  readonly federatedProvider?: string
  /** What they vouched for, by condition key in lower case: `ldap:username`, `certificate:commonname`. */
  readonly proven?: Readonly<Record<string, string>>
}

export interface AccountRootPrincipal extends PrincipalFacts {
  readonly kind: 'account-root'
}

export interface IamUserPrincipal extends PrincipalFacts {
  readonly kind: 'iam-user'
  readonly userName: string
  /** `/`, or `/division/team/`. */
  readonly path: string
}

export interface AssumedRolePrincipal extends PrincipalFacts {
  readonly kind: 'assumed-role'
  readonly roleName: string
  readonly sessionName: string
  /** The role's ARN: `aws:PrincipalArn`. */
  readonly issuerArn: string
  /** The role's unique id, `AROA...`. */
  readonly issuerId: string
  readonly session: SessionFacts
}

export interface FederatedUserPrincipal extends PrincipalFacts {
  readonly kind: 'federated-user'
  readonly federatedName: string
  /** ARN of the user, or root, that asked for the session. */
  readonly issuerArn: string
  /** The user's unique id, or the account's. */
  readonly issuerId: string
  readonly session: SessionFacts
}

/** A policy and what it is called: an ARN, or where an inline policy is. */
export interface AttachedPolicy {
  readonly id: string
  /** The same for the same document, another for another. */
  readonly version: string
  readonly document: string
}

/** What a principal's own policies are. Where `id` is the same, they are the same. */
export interface AttachedPolicies {
  readonly id: string
  /** Of the user and its groups, or of the role. */
  readonly identity: readonly AttachedPolicy[]
  readonly boundary?: AttachedPolicy
  /** Passed with the session; absent: none were. */
  readonly session?: readonly AttachedPolicy[]
}
