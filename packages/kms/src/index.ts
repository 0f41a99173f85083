export * from './errors.ts'
export * from './kms-connector.ts'
