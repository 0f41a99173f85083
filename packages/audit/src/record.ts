/**
 * What the trail keeps of one request. Only typed fields, each made from something that is no secret: there is no place for a
 * header, a query or a body, so that no customer key, signature or token can come into a record.
 */
export interface RequestFacts {
  readonly time: string
  readonly requestId: string
  readonly service: AuditedService
  /** As the service's API calls it; absent where the request was not understood. */
  readonly operation?: string | undefined
  readonly principal?: AuditPrincipal | undefined
  readonly source: AuditSource
  readonly bucket?: string | undefined
  readonly key?: string | undefined
  readonly versionId?: string | undefined
  /** What else it was about: a key id, a user, a role. */
  readonly resource?: string | undefined
  readonly decision?: AuditDecision | undefined
  readonly kmsKeys?: readonly AuditKmsKey[] | undefined
  readonly status: number
  /** The code that the client was told. */
  readonly error?: string | undefined
  readonly bytesIn?: number | undefined
  readonly bytesOut?: number | undefined
  readonly latencyMs: number
  /** The connection ended before the answer did. */
  readonly cut?: true | undefined
}

export type AuditedService = 's3' | 'kms' | 'iam' | 'sts'

export interface AuditPrincipal {
  readonly kind: string
  readonly arn?: string
  readonly accountId?: string
  readonly accessKeyId?: string
  /** false: the access key exists, but the signature was not its own. */
  readonly verified: boolean
}

export interface AuditSource {
  readonly address: string
  readonly tls?: string
  readonly cipher?: string
  /** Subject of the client's certificate. */
  readonly certificate?: string
  readonly userAgent?: string
}

export interface AuditDecision {
  readonly action: string
  readonly effect: 'allow' | 'deny'
  readonly reason: string
  readonly statement?: AuditStatement
}

/** Which statement of which policy decided. */
export interface AuditStatement {
  readonly kind: string
  readonly policyId: string
  /** From 0. */
  readonly index: number
  readonly sid?: string
}

export interface AuditKmsKey {
  /** `connector/key`. */
  readonly id?: string
  /** It says whose the key is. */
  readonly arn?: string
  readonly version?: number
  /** The bucket key between it and the object's. */
  readonly bucketKey?: string
}

/** What a line of the trail is about; the chain adds `v`, `chain`, `seq` and `prev` before it. */
export type AuditEntry =
  | ({ readonly kind: 'request' } & RequestFacts)
  | { readonly kind: 'open'; readonly time: string; readonly writer: string; readonly mode: string }
  | { readonly kind: 'close'; readonly time: string }
  /** Records that were not taken, as `whenStalled: drop` allows. */
  | { readonly kind: 'gap'; readonly time: string; readonly dropped: number; readonly since: string }
  | ({ readonly kind: 'checkpoint'; readonly time: string } & SignedCheckpoint)

/** The place in a chain that a signature speaks for: everything up to it, as each record holds the hash of the one before. */
export interface ChainHead {
  readonly chain: string
  readonly seq: number
  /** SHA-256 of the record's line, 64 hex characters. */
  readonly hash: string
}

export interface SignedCheckpoint {
  readonly upTo: ChainHead
  readonly algorithm: 'Ed25519' | 'ECDSA-P256-SHA256'
  /** First 16 hex characters of the SHA-256 of the public key (SPKI, DER). */
  readonly keyId: string
  /** Base64. Of {@link checkpointText}. */
  readonly signature: string
}
