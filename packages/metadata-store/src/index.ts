export * from './errors.ts'
export { isKept } from './kept-records.ts'
export * from './metadata-store.ts'
export * from './records.ts'
