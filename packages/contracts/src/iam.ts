import type { WrappingKey } from '@coffer/kms'
import type { KeyParcel, KeyRecipient } from './key-parcel.ts'
import type { AttachedPolicies, Principal } from './principal.ts'

/** An account in the AWS sense: the owner of buckets. */
export interface Account {
  /** 12 digits. */
  readonly accountId: string
  readonly name: string
  /** 64 hex characters: the S3 canonical user id. */
  readonly canonicalId: string
  readonly createdAt: number
  readonly rootAccessKeyIds: readonly string[]
}

export interface AccessKey {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/** S3 API, PublicAccessBlockConfiguration: what of public access is refused, whatever policies and ACLs say. */
export interface PublicAccessBlock {
  readonly blockPublicAcls: boolean
  readonly ignorePublicAcls: boolean
  readonly blockPublicPolicy: boolean
  readonly restrictPublicBuckets: boolean
}

/** An access key, with the token of temporary credentials. */
export interface CredentialIds {
  readonly accessKeyId: string
  readonly sessionToken?: string
}

/** What a signing key is of (AWS General Reference, "Signature Version 4"). */
export interface SigningScope extends CredentialIds {
  /** YYYYMMDD. */
  readonly date: string
  readonly region: string
  readonly service: string
}

/** Parameters of a request to the IAM API, unchecked: texts, lists and structures of them. */
export type FormTree = string | readonly FormTree[] | { readonly [name: string]: FormTree }

/** An action of the AWS IAM API, and who asks for it. */
export interface IamActionRequest {
  /** `CreateUser`. */
  readonly action: string
  readonly parameters: { readonly [name: string]: FormTree }
  /** Parameters that are secret (passwords), packed for `actionRecipient` and the purpose `iam-parameter` and their name. */
  readonly secrets: Readonly<Record<string, KeyParcel>>
  readonly credentials: CredentialIds
  readonly principal: Principal
  /** Values of condition keys of the request itself, by lower case names. */
  readonly values: Readonly<Record<string, readonly string[]>>
}

/** What an answer is made of: elements by name, lists of them, texts. Times are texts of ISO 8601. */
export type AnswerTree =
  | string
  | number
  | boolean
  | undefined
  | readonly AnswerTree[]
  | { readonly [name: string]: AnswerTree }

/** Why a request was allowed. Where it is refused, `action`, `resource` and `reason` are in the error's details. */
export interface ActionDecision {
  readonly action: string
  readonly resource: string
  readonly reason: string
  readonly statement?: DecidingStatement
}

export interface DecidingStatement {
  readonly kind: 'identity' | 'boundary' | 'session' | 'resource'
  readonly policyId: string
  /** From 0. */
  readonly index: number
  readonly sid?: string
}

export interface IamActionAnswer {
  readonly decision: ActionDecision
  readonly result?: { readonly [name: string]: AnswerTree }
  /** The secret of a new access key, packed for the purpose `secret-access-key` and the key's id: shown this once. */
  readonly secretAccessKey?: KeyParcel
}

/**
 * What the certificate of a client says, which the gateway's TLS has found genuine, in time and not revoked. Lists, as a certificate
 * can say each several times.
 */
export interface CertificateFacts {
  readonly commonNames: readonly string[]
  readonly organizations: readonly string[]
  readonly organizationalUnits: readonly string[]
  /** Subject alternative names. */
  readonly uris: readonly string[]
  readonly dnsNames: readonly string[]
  readonly emails: readonly string[]
  readonly issuerCommonNames: readonly string[]
  /** In hex. */
  readonly serialNumber: string
  /** Of the whole certificate, SHA-256 in hex with colons. */
  readonly fingerprint256: string
  readonly expiresAt: number
}

/** An action of STS. Who asks for it is not known where the request brings another proof than a signature. */
export interface StsActionRequest extends Omit<IamActionRequest, 'credentials' | 'principal'> {
  readonly caller?: Pick<IamActionRequest, 'credentials' | 'principal'>
  /** Of the connection, for AssumeRoleWithCertificate. */
  readonly certificate?: CertificateFacts
}

export interface StsActionAnswer extends Pick<IamActionAnswer, 'result' | 'secretAccessKey'> {
  /** Absent where no policy was asked. */
  readonly decision?: ActionDecision
}

/** A user or a role, one of them. */
export interface DescribeHolderRequest {
  /** By id or name. */
  readonly account: string
  readonly user?: string
  readonly role?: string
}

/** Who it is, and what policies it has. */
export interface DescribedHolder {
  readonly principal: Principal
  readonly policies: AttachedPolicies
  /** Of a role. */
  readonly trust?: RoleTrust
}

/** Who may take a role, and what conditions can ask of it. */
export interface RoleTrust {
  readonly policy: string
  /** Unique ids by the names in it; absent: it was kept before there were any. */
  readonly principals?: Readonly<Record<string, string>>
  readonly tags: Readonly<Record<string, string>>
}

export interface IamService {
  /**
   * The SigV4 signing key of an access key for one day, region and service, and whose it is. The long-term secret stays
   * here. Undefined: no such access key, or one that is not active. IAM_SESSION_EXPIRED, IAM_SESSION_TOKEN_INVALID. Callers may keep the answer for `leaseMs`, no longer: that
   * bounds revocation; 0 where asking is a call within the process.
   */
  findSigningKey(
    scope: SigningScope,
    recipient: KeyRecipient,
  ): Promise<{ principal: Principal; policiesId: string; signingKey: KeyParcel; leaseMs: number } | undefined>
  /** What is attached now to whose access key it is; undefined as above. `policiesId` above is its `id`. */
  findPolicies(credentials: CredentialIds): Promise<AttachedPolicies | undefined>
  /**
   * Does an action of the AWS IAM API, if the principal may. IAM_ACCESS_DENIED, IAM_INVALID_ACTION, IAM_VALIDATION_ERROR, and what
   * the action can refuse with.
   */
  perform(request: IamActionRequest, recipient: KeyRecipient): Promise<IamActionAnswer>
  /**
   * Does an action of AWS STS. IAM_ACCESS_DENIED, IAM_INVALID_ACTION, IAM_VALIDATION_ERROR, IAM_MALFORMED_POLICY,
   * IAM_PACKED_POLICY_TOO_LARGE, IAM_LOGIN_REFUSED, IAM_DIRECTORY_UNAVAILABLE, IAM_INVALID_IDENTITY_TOKEN, IAM_IDENTITY_TOKEN_EXPIRED, IAM_IDENTITY_PROVIDER_UNREACHABLE. Its
   * answer's secret is packed as of IAM's.
   */
  performSts(request: StsActionRequest, recipient: KeyRecipient): Promise<StsActionAnswer>
  /**
   * Ends the sessions of whoever has logged out at an OpenID Connect provider, by its logout token. Answers the ARNs of the providers that
   * believe it. IAM_INVALID_IDENTITY_TOKEN, IAM_IDENTITY_TOKEN_EXPIRED, IAM_IDENTITY_PROVIDER_UNREACHABLE.
   */
  logOut(logoutToken: string): Promise<{ readonly providers: readonly string[] }>
  /** For secrets of a request: the process that opens them, in which `perform` or `performSts` must then be called. */
  actionRecipient(): Promise<KeyRecipient>
  /** As whom a user or a session of a role makes its requests, and what is attached. IAM_ACCOUNT_NOT_FOUND, IAM_NO_SUCH_ENTITY. */
  describeHolder(request: DescribeHolderRequest): Promise<DescribedHolder>
  /** For "last used": a request with a right signature. */
  noteKeyUse(use: {
    accessKeyId: string
    service: string
    region: string
    at: number
    /** Whose session it was: then the role is what was used. */
    role?: { readonly accountId: string; readonly roleId: string }
  }): Promise<void>
  /**
   * Whose Signature Version 2 this is: the HMAC-SHA1 of one of these strings under the long-term secret, in base64. Compared here, in
   * constant time.
   */
  verifySignatureV2(signed: {
    accessKeyId: string
    stringsToSign: readonly string[]
    signature: string
  }): Promise<{ principal: Principal; policiesId: string } | 'unknown-access-key' | 'mismatch'>
  /**
   * Makes the first account (name `root`) with this root access key, or gives it that key. IAM_ACCESS_KEY_EXISTS,
   * IAM_ACCESS_KEY_INVALID. Within the process of iam only, at its start: the secret is not sealed.
   */
  ensureRootAccount(accessKey: AccessKey): Promise<Account>
  /**
   * Who it is that a resource's policy or a grant names, as things are now: unique ids (`AIDA...`, `AROA...`, `AROA...:<session>`) by ARNs. What has none
   * of its own (accounts, federated users) comes back as it is written; whoever is not there does not.
   */
  identifyPrincipals(names: readonly string[]): Promise<Readonly<Record<string, string>>>
  /** The inverse: ARNs by unique ids, without those who are gone. */
  findPrincipalArns(uniqueIds: readonly string[]): Promise<Readonly<Record<string, string>>>
  /** Whether the first account exists. */
  hasRootAccount(): Promise<boolean>
  /** A new account and its root access key. IAM_ACCOUNT_EXISTS, IAM_ACCOUNT_NAME_INVALID. The secret is shown this once. */
  createAccount(
    name: string,
    recipient: KeyRecipient,
  ): Promise<{ account: Account; accessKeyId: string; secretAccessKey: KeyParcel }>
  findAccount(accountId: string): Promise<Account | undefined>
  listAccounts(): Promise<readonly Account[]>
  /** The OpenID Connect providers that accounts have registered, by the URL of their issuer. */
  listIdentityProviders(): Promise<readonly { readonly accountId: string; readonly issuer: string }[]>
  /** What of public access is refused to all buckets of an account. Undefined: nothing was set. */
  findPublicAccessBlock(accountId: string): Promise<PublicAccessBlock | undefined>
  /** Without a block: nothing is refused any more. IAM_ACCOUNT_NOT_FOUND. */
  setPublicAccessBlock(accountId: string, block?: PublicAccessBlock): Promise<void>
  /** The master key version that wraps the key of all identity records; undefined before there is one. */
  describeSealingKey(): Promise<WrappingKey | undefined>
  /** Wraps that key under the newest version of a master key. The records stay as they are. */
  rewrapSealingKey(keyName: string): Promise<WrappingKey>
  /** By id or name. IAM_ACCOUNT_NOT_FOUND, IAM_ACCOUNT_OWNS_BUCKETS, IAM_ACCOUNT_OWNS_KEYS (also one that awaits its deletion), IAM_ACCOUNT_IS_ROOT. */
  removeAccount(account: string): Promise<void>
}
