export * from './errors.ts'
export type * from './identity-directory.ts'
