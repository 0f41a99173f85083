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

export interface IamService {
  /**
   * The SigV4 signing key of an access key for one day, region and service, and whose it is. The long-term secret stays
   * here. Undefined: no such access key, or one that is not active. Callers may keep the answer for `leaseMs`, no longer: that
   * bounds revocation; 0 where asking is a call within the process.
   */
  findSigningKey(
    scope: SigningScope,
    recipient: KeyRecipient,
  ): Promise<{ principal: Principal; policiesId: string; signingKey: KeyParcel; leaseMs: number } | undefined>
  /** What is attached now to whose access key it is; undefined as above. `policiesId` above is its `id`. */
  findPolicies(credentials: CredentialIds): Promise<AttachedPolicies | undefined>
  /** For "last used": a request with a right signature. */
  noteKeyUse(use: { accessKeyId: string; service: string; region: string; at: number }): Promise<void>
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
  /** Whether the first account exists. */
  hasRootAccount(): Promise<boolean>
  /** A new account and its root access key. IAM_ACCOUNT_EXISTS, IAM_ACCOUNT_NAME_INVALID. The secret is shown this once. */
  createAccount(
    name: string,
    recipient: KeyRecipient,
  ): Promise<{ account: Account; accessKeyId: string; secretAccessKey: KeyParcel }>
  findAccount(accountId: string): Promise<Account | undefined>
  listAccounts(): Promise<readonly Account[]>
  /** The master key version that wraps the key of all identity records; undefined before there is one. */
  describeSealingKey(): Promise<WrappingKey | undefined>
  /** Wraps that key under the newest version of a master key. The records stay as they are. */
  rewrapSealingKey(keyName: string): Promise<WrappingKey>
  /** IAM_ACCOUNT_NOT_FOUND, IAM_ACCOUNT_OWNS_BUCKETS, IAM_ACCOUNT_IS_ROOT. By id or name. */
  removeAccount(account: string): Promise<void>
}
