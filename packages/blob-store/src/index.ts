export * from './blob-id.ts'
export * from './blob-store.ts'
export * from './errors.ts'
export * from './placed-blob-store.ts'
