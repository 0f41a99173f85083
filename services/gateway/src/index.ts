export { createGateway } from './gateway.ts'
export type { Gateway, GatewayOptions } from './gateway-options.ts'
export { KMS_API_ERRORS } from './kms-api/errors.ts'
export { QUERY_API_ERRORS } from './query-api/errors.ts'
