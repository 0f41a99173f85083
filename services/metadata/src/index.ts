import type { MetadataService } from '@coffer/contracts'
import type { Mesh } from '@coffer/mesh'

const METHODS = [
  'abortUpload',
  'appendEvents',
  'changeRecords',
  'commitVersion',
  'countEvents',
  'createBucket',
  'createUpload',
  'deleteBucket',
  'deleteRecord',
  'findBucket',
  'findRecord',
  'findUpload',
  'findVersion',
  'findVersions',
  'forgetGarbage',
  'getKeyUse',
  'getUsage',
  'isReferenced',
  'listBuckets',
  'listCurrent',
  'listEventQueues',
  'listEvents',
  'listGarbage',
  'listKeyUse',
  'listParts',
  'listRecords',
  'listReferencedBlobs',
  'listUploads',
  'listVersions',
  'listWriters',
  'moveEvents',
  'putPart',
  'putRecord',
  'registerWriter',
  'removeVersion',
  'replaceBody',
  'replaceObjectKey',
  'replaceObjectKeys',
  'replaceWrappedMetadataKey',
  'retireWriter',
  'updateBucket',
] as const satisfies readonly (keyof MetadataService)[]

/** Offers the metadata store to the mesh, its methods as they are. */
export function provideMetadata(mesh: Mesh, store: MetadataService): Promise<void> {
  return mesh.provide('metadata', store, METHODS)
}
