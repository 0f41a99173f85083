export { openS3Source } from './s3-source.ts'
export type { AdoptSource } from './source.ts'
