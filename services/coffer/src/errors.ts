import { CofferError, type CofferErrorShape } from '@coffer/errors'

/** Every way a start or a command can be refused by the composition itself. Codes are API. */
export const COFFER_ERRORS = {
  COFFER_CERTIFICATE_INVALID: 'a certificate and its private key cannot be used',
  COFFER_TLS_INVALID: 'the listener cannot speak TLS as configured',
  COFFER_ADDRESS_UNAVAILABLE: 'the address cannot be listened on',
  COFFER_ROOT_KEY_COMMAND_FAILED: 'the command that prints the root key failed',
  COFFER_ROOT_KEY_ROTATION_REFUSED: 'the root key cannot be rotated so',
  COFFER_ROOT_KEY_ROTATION_RUNNING: 'another rotation of the root key is under way',
  COFFER_ROOT_CREDENTIALS_INVALID: 'the root credentials cannot be used',
  COFFER_KEY_MATERIAL_INVALID: 'the key to import cannot be used',
  COFFER_MESH_KEY_INVALID: 'the mesh key file cannot be used',
  COFFER_KMS_CONFIGURATION_INVALID: 'the KMS connectors cannot be configured so',
  COFFER_AUDIT_CONFIGURATION_INVALID: 'the audit trail cannot be configured so',
  COFFER_FIPS_UNAVAILABLE: 'FIPS mode is asked for and not to be had',
  COFFER_IDENTITIES_CONFIGURATION_INVALID: 'identities cannot be configured so',
  COFFER_EVENTS_CONFIGURATION_INVALID: 'the event targets cannot be configured so',
  COFFER_REPLICATION_CONFIGURATION_INVALID: 'the destinations of replication cannot be configured so',
  COFFER_NATS_NEEDED: 'this command needs a NATS server',
  COFFER_REDIS_CONFIGURATION_INVALID: 'the Redis server for jobs cannot be used as configured',
  COFFER_METADATA_CONFIGURATION_INVALID: 'the PostgreSQL server for the metadata cannot be used as configured',
  COFFER_METADATA_IN_USE: 'the metadata is in use',
  COFFER_METADATA_NOT_MOVED: 'the metadata was not moved',
  COFFER_METADATA_ELSEWHERE: 'the metadata of this store is elsewhere',
  COFFER_BLOBS_CONFIGURATION_INVALID: 'the places for object data cannot be used as configured',
  COFFER_BLOBS_ELSEWHERE: 'the object data of this store is elsewhere',
  COFFER_BUCKET_NOT_FOUND: 'no such bucket',
  COFFER_ACCOUNT_NOT_FOUND: 'no such account',
  COFFER_NOT_EXPLAINED: 'that is nothing that a request could ask',
  COFFER_WORKER_FAILED: 'a worker could not start',
  COFFER_ENDPOINT_INVALID: 'that is no S3 endpoint',
  COFFER_REQUEST_REFUSED: 'the server refused',
  COFFER_LOGIN_FAILED: 'the login failed',
  COFFER_LOGOUT_INCOMPLETE: 'not everything could be ended',
  COFFER_BENCH_REFUSED: 'the endpoint refuses what the load generator needs',
} as const

export type CofferErrorCode = keyof typeof COFFER_ERRORS

/** `why` is added to the table's sentence: what exactly, and what to do. */
export function cofferError(
  code: CofferErrorCode,
  why: string,
  details?: CofferErrorShape['details'],
  options?: { cause?: unknown },
): CofferError {
  return new CofferError({ code, message: `${COFFER_ERRORS[code]}: ${why}`, ...(details && { details }) }, options)
}

export function blobsElsewhere(why: string): CofferError {
  return cofferError('COFFER_BLOBS_ELSEWHERE', why)
}
