import type { KmsService } from '@coffer/contracts'
import type { Mesh } from '@coffer/mesh'

export { createKmsService, type KmsServiceOptions } from './kms-service.ts'

const METHODS = [
  'cancelKeyDeletion',
  'createAlias',
  'createKey',
  'decrypt',
  'deleteAlias',
  'describeKey',
  'describeSettings',
  'destroyDueKeys',
  'disableKey',
  'enableKey',
  'generateDataKey',
  'importKey',
  'keyRecipient',
  'listAliases',
  'listConnectors',
  'listKeys',
  'rewrap',
  'rotateDueKeys',
  'rotateKey',
  'scheduleKeyDeletion',
  'selfTest',
  'setDescription',
  'setRotation',
  'tagKey',
  'untagKey',
  'updateAlias',
] as const satisfies readonly (keyof KmsService)[]

/** Offers the KMS to the mesh. */
export function provideKms(mesh: Mesh, service: KmsService): Promise<void> {
  return mesh.provide('kms', service, METHODS)
}
