export * from './errors.ts'
export * from './metadata-store.ts'
export * from './records.ts'
