export * from './errors.ts'
export * from './job-queue.ts'
