import type { MetadataStore } from '@coffer/metadata-store'

/** What writes to a metadata store. */
export const COMMITS: ReadonlySet<string> = new Set<keyof MetadataStore>([
  'abortUpload',
  'appendEvents',
  'changeRecords',
  'commitVersion',
  'createBucket',
  'createUpload',
  'deleteBucket',
  'deleteRecord',
  'moveEvents',
  'putPart',
  'putRecord',
  'removeVersion',
  'replaceBody',
  'replaceObjectKey',
  'replaceObjectKeys',
  'replaceWrappedMetadataKey',
  'updateBucket',
])
