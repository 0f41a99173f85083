import type { CryptoService } from '@coffer/contracts'
import type { Mesh } from '@coffer/mesh'

export { type CryptoServiceOptions, createCryptoService } from './crypto-service.ts'
export { ENGINE_ERRORS } from './errors.ts'

const METHODS = [
  'describeBucketKey',
  'describeMetadataKey',
  'issueMetadataKey',
  'issueObjectKey',
  'listBucketKeys',
  'openMetadataKey',
  'openObjectKey',
  'removeBucketKeys',
  'removeLeftBucketKeys',
  'resealObjectKey',
  'rewrapBucketKey',
  'rewrapMetadataKey',
  'rewrapObjectKeys',
] as const satisfies readonly (keyof CryptoService)[]

/** Offers the crypto engine to the mesh. */
export function provideCrypto(mesh: Mesh, service: CryptoService): Promise<void> {
  return mesh.provide('crypto', service, METHODS)
}
