export * from './errors.ts'
export { assertUsable } from './key-life.ts'
export * from './key-name.ts'
export * from './kms-connector.ts'
