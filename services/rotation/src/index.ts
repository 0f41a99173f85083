import type { BlobStore } from '@coffer/blob-store'
import type { RotationService } from '@coffer/contracts'
import type { Mesh } from '@coffer/mesh'
import { keyUse } from './key-use.ts'
import { rewrap } from './rewrap.ts'
import { removeGarbage, scrub } from './scrub.ts'

export { ROTATION_ERRORS } from './errors.ts'

/** Background jobs over the mesh's metadata and this process's blob store. */
export function createRotationService({ mesh, blobs }: { mesh: Mesh; blobs: BlobStore }): RotationService {
  return {
    scrub: () => scrub(mesh.use('metadata'), blobs),
    removeGarbage: () => removeGarbage(mesh.use('metadata'), blobs),
    keyUse: (keyName) => keyUse(mesh, keyName),
    rewrap: (request) => rewrap(mesh, request),
  }
}

/** Offers the jobs to the mesh. */
export function provideRotation(mesh: Mesh, service: RotationService): Promise<void> {
  return mesh.provide('rotation', service, ['keyUse', 'removeGarbage', 'rewrap', 'scrub'])
}
