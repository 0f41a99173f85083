/** What another account may be let to do with a key (AWS KMS Developer Guide, "AWS KMS permissions": cross-account use). */
const ACROSS_ACCOUNTS: ReadonlySet<string> = new Set([
  'CreateGrant',
  'Decrypt',
  'DescribeKey',
  'Encrypt',
  'GenerateDataKey',
  'GenerateDataKeyWithoutPlaintext',
  'GetKeyRotationStatus',
  'ListGrants',
  'ListKeyRotations',
  'ReEncrypt',
  'RetireGrant',
  'RevokeGrant',
])

export function isAcrossAccounts(operation: string): boolean {
  return ACROSS_ACCOUNTS.has(operation)
}

/** The same of an action, `kms:ReEncryptFrom`. */
export function isActionAcrossAccounts(action: string): boolean {
  return isAcrossAccounts(action.replace(/^kms:/, '').replace(/^ReEncrypt(From|To)$/, 'ReEncrypt'))
}
