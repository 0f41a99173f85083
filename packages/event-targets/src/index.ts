export * from './errors.ts'
export type * from './event-target.ts'
