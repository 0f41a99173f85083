/** Tags (KMIP Specification 1.4, section 9.1.3.1; `attributes` is of 2.0). */
export const TAG = {
  attribute: 0x42_00_08,
  attributeName: 0x42_00_0a,
  attributeValue: 0x42_00_0b,
  batchCount: 0x42_00_0d,
  batchItem: 0x42_00_0f,
  blockCipherMode: 0x42_00_11,
  cryptographicAlgorithm: 0x42_00_28,
  cryptographicLength: 0x42_00_2a,
  cryptographicParameters: 0x42_00_2b,
  cryptographicUsageMask: 0x42_00_2c,
  ivCounterNonce: 0x42_00_3d,
  maximumItems: 0x42_00_4f,
  maximumResponseSize: 0x42_00_50,
  name: 0x42_00_53,
  nameType: 0x42_00_54,
  nameValue: 0x42_00_55,
  objectType: 0x42_00_57,
  operation: 0x42_00_5c,
  protocolVersion: 0x42_00_69,
  protocolVersionMajor: 0x42_00_6a,
  protocolVersionMinor: 0x42_00_6b,
  queryFunction: 0x42_00_74,
  requestHeader: 0x42_00_77,
  requestMessage: 0x42_00_78,
  requestPayload: 0x42_00_79,
  responseMessage: 0x42_00_7b,
  responsePayload: 0x42_00_7c,
  resultReason: 0x42_00_7e,
  resultStatus: 0x42_00_7f,
  revocationReason: 0x42_00_81,
  revocationReasonCode: 0x42_00_82,
  state: 0x42_00_8d,
  templateAttribute: 0x42_00_91,
  uniqueIdentifier: 0x42_00_94,
  data: 0x42_00_c2,
  randomIv: 0x42_00_c5,
  tagLength: 0x42_00_ce,
  additionalData: 0x42_00_fe,
  authenticationTag: 0x42_00_ff,
  attributes: 0x42_01_25,
} as const

/** Operations (1.4, section 9.1.3.2). */
export const OPERATION = {
  create: 1,
  locate: 8,
  getAttributes: 11,
  activate: 18,
  revoke: 19,
  destroy: 20,
  query: 24,
  discoverVersions: 30,
  encrypt: 31,
  decrypt: 32,
} as const
export type OperationName = keyof typeof OPERATION

/** Other enumerations (1.4, section 9.1.3.2), as far as they are used. */
export const OBJECT_TYPE_SYMMETRIC_KEY = 2
export const ALGORITHM_AES = 3
export const BLOCK_CIPHER_MODE_GCM = 9
export const NAME_TYPE_TEXT = 1
export const QUERY_OPERATIONS = 1
export const STATE_ACTIVE = 2
/** Some servers keep what they know of a key that is gone; 6 is for one that was compromised before. */
export const STATES_DESTROYED: readonly number[] = [5, 6]
export const RESULT_SUCCESS = 0
export const RESULT_FAILED = 1
export const REVOCATION_CESSATION_OF_OPERATION = 6
/** Encrypt and Decrypt (1.4, section 9.1.3.3). */
export const USAGE_ENCRYPT_DECRYPT = 0x04 | 0x08

/** Result reasons (1.4, section 9.1.3.2; those from 0x19 on are of 2.0). */
export const REASON = {
  itemNotFound: 0x01,
  authenticationNotSuccessful: 0x03,
  operationNotSupported: 0x05,
  featureNotSupported: 0x08,
  cryptographicFailure: 0x0a,
  illegalOperation: 0x0b,
  permissionDenied: 0x0c,
  badCryptographicParameters: 0x24,
  objectDestroyed: 0x36,
  objectNotFound: 0x37,
  notAuthorised: 0x39,
  unsupportedCryptographicParameters: 0x3e,
  unsupportedProtocolVersion: 0x3f,
  wrongKeyLifecycleState: 0x43,
} as const
