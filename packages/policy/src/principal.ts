/** Who asks: nobody known, somebody of an account, or somebody whom an identity provider vouches for (AssumeRoleWith...). */
export type RequestPrincipal = 'anonymous' | KnownPrincipal | ProvenIdentity

/** What decisions and condition keys need to know of a principal (IAM User Guide, "AWS JSON policy elements: Principal"). */
export interface KnownPrincipal {
  readonly kind: 'account-root' | 'iam-user' | 'assumed-role' | 'federated-user'
  readonly accountId: string
  readonly canonicalId: string
  /** Of the root, the user, the role session or the federated user itself. */
  readonly arn: string
  /** `aws:userid`: the account id, a user's unique id, `<role id>:<session>`, `<account>:<name>`. */
  readonly userId: string
  /** Of an IAM user only. */
  readonly userName?: string
  /** Of a role session: its role's; of a federated user: the ARN of who asked for the session. */
  readonly issuerArn?: string
  /** The unique id of the same. */
  readonly issuerId?: string
  /** `aws:PrincipalTag`: of the user, or of the role and its session together. */
  readonly tags?: Readonly<Record<string, string>>
  /** Of temporary credentials. */
  readonly session?: PrincipalSession
}

export interface PrincipalSession {
  readonly issuedAt: number
  readonly sourceIdentity?: string
  /** `aws:FederatedProvider`. */
  readonly federatedProvider?: string
  /** What the operator's own authority or directory said, by condition key in lower case. */
  readonly proven?: Readonly<Record<string, string>>
}

/** Before it has a session: only trust policies speak of it. */
export interface ProvenIdentity {
  readonly kind: 'proven-identity'
  /** ARN of the provider in the account, or its domain. */
  readonly provider: string
}

const TYPES = {
  'account-root': 'Account',
  'iam-user': 'User',
  'assumed-role': 'AssumedRole',
  'federated-user': 'FederatedUser',
} as const
const PRINCIPAL_TAG = 'aws:principaltag/'

/**
 * The values of the condition keys that speak of the principal (IAM User Guide, "AWS global condition context keys",
 * "Properties of the principal", "Properties of a role session"). Undefined for every other key.
 */
export function principalValue(principal: RequestPrincipal, key: string): string | undefined {
  if (principal === 'anonymous') return key === 'aws:principaltype' || key === 'aws:userid' ? nobody(key) : undefined
  if (principal.kind === 'proven-identity') return key === 'aws:federatedprovider' ? principal.provider : undefined
  if (key.startsWith(PRINCIPAL_TAG)) return tagNamed(principal.tags, key.slice(PRINCIPAL_TAG.length))
  const { session } = principal
  switch (key) {
    case 'aws:principalarn':
      return principal.kind === 'assumed-role' ? principal.issuerArn : principal.arn
    case 'aws:principalaccount':
      return principal.accountId
    case 'aws:principaltype':
      return TYPES[principal.kind]
    case 'aws:userid':
      return principal.userId
    case 'aws:username':
      return principal.userName
    case 'aws:principalisawsservice':
    case 'aws:viaawsservice':
      return 'false'
    case 'aws:tokenissuetime':
      return session && new Date(session.issuedAt).toISOString()
    // Only temporary credentials say it at all, and none is given with a second factor.
    case 'aws:multifactorauthpresent':
      return session && 'false'
    case 'aws:sourceidentity':
      return session?.sourceIdentity
    case 'aws:federatedprovider':
      return session?.federatedProvider
    default:
      return session?.proven?.[key]
  }
}

function nobody(key: string): string {
  return key === 'aws:userid' ? 'anonymous' : 'Anonymous'
}

/** Keys come in lower case; names of tags are told apart by case, those of one principal not. */
export function tagNamed(
  tags: Readonly<Record<string, string>> | undefined,
  lowerCaseName: string,
): string | undefined {
  if (tags === undefined) return undefined
  return Object.entries(tags).find(([name]) => name.toLowerCase() === lowerCaseName)?.[1]
}
