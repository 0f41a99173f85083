export {
  type CannedAcl,
  GROUPS,
  type Grant,
  type Grantee,
  grantsOfCanned,
  isPublicGrant,
  type Permission,
  parseAclHeaders,
  type WantedGrantee,
} from './acl/acl.ts'
export { assertAppendsOnly, parseWriteOffset } from './append-request.ts'
export * from './body/body-plan.ts'
export * from './body/body-verifier.ts'
export type { ChunkSeed } from './body/chunk-decoder.ts'
export { assertBucketName } from './bucket-name.ts'
export {
  type Checksum,
  type ChecksumAlgorithm,
  type ChecksumType,
  compositeChecksum,
  createChecksum,
  DEFAULT_CHECKSUM_ALGORITHM,
  hasChecksum,
  loadChecksum,
  parseChecksumAlgorithm,
  parseChecksumHeader,
  parseUploadChecksum,
} from './checksums.ts'
export * from './conditions.ts'
export { isControlRequest } from './control-request.ts'
export * from './copy-source.ts'
export * from './cors/cors-documents.ts'
export * from './cors/cors-rules.ts'
export { combineCrc } from './crc-combine.ts'
export * from './dates.ts'
export * from './errors.ts'
export { createEtagHash, type EtagHash, hasMd5, NO_MD5 } from './etag-hash.ts'
export * from './lifecycle/due-times.ts'
export * from './lifecycle/lifecycle-rules.ts'
export { type ClassedObject, noncurrentTransitionDue, transitionDue } from './lifecycle/transitions.ts'
export * from './metadata.ts'
export * from './notifications/event-names.ts'
export * from './notifications/event-record.ts'
export * from './notifications/notification-documents.ts'
export * from './notifications/notification-rules.ts'
export * from './object-attributes.ts'
export {
  asksForBypass,
  asksForObjectLock,
  assertHasDigest,
  type DefaultRetention,
  type LegalHold,
  type ObjectLock,
  type ObjectLockConfiguration,
  objectLockHeaders,
  parseObjectLockHeaders,
  type Retention,
  retentionFrom,
} from './object-lock.ts'
export { assertTagCount, parseTagging, type Tags } from './object-tags.ts'
export { OPERATION_NAMES, type OperationName, PREFLIGHT } from './operations.ts'
export * from './post/form-data.ts'
export * from './post/post-form.ts'
export * from './post/post-policy.ts'
export * from './range.ts'
export { parseRename, type RenameRequest } from './rename-request.ts'
export * from './replication/replication-rules.ts'
export * from './request.ts'
export { isSignedWithV2, parseFormSignatureV2, parseSignatureV2, type SignatureV2 } from './sigv2/signature-v2.ts'
export type {
  Authentication,
  FormSignature,
  HeaderAuthentication,
  SignedAuthentication,
} from './sigv4/authentication.ts'
export { parseAuthentication, parseAuthorizationHeader, parseFormSignature } from './sigv4/authentication.ts'
export { canonicalRequest, type SignedRequest } from './sigv4/canonical-request.ts'
export { withSignedParameters } from './sigv4/signed-parameters.ts'
export { deriveSigningKey, verifyFormSignature, verifySignature } from './sigv4/verify.ts'
export * from './sse.ts'
export {
  isKmsAlgorithm,
  KMS_ALGORITHMS,
  type MasterKeyNamed,
  masterKeyNameOf,
  parseMasterKey,
  type SseKmsRequest,
} from './sse-kms.ts'
export * from './storage-class.ts'
export * from './xml/index.ts'
