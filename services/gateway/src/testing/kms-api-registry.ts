/** What the KMS API answers, for the test that each of it is done by whom it may be. */
export { KMS_API_OPERATIONS } from '../kms-api/operations/index.ts'
