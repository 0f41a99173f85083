import type { KmsService } from '@coffer/contracts'
import type { Mesh } from '@coffer/mesh'

export { createKmsService, type KmsServiceOptions } from './kms-service.ts'

const METHODS = [
  'cancelKeyDeletion',
  'createKey',
  'decrypt',
  'describeKey',
  'destroyDueKeys',
  'disableKey',
  'enableKey',
  'generateDataKey',
  'importKey',
  'keyRecipient',
  'listConnectors',
  'listKeys',
  'rewrap',
  'rotateKey',
  'scheduleKeyDeletion',
  'selfTest',
] as const satisfies readonly (keyof KmsService)[]

/** Offers the KMS to the mesh. */
export function provideKms(mesh: Mesh, service: KmsService): Promise<void> {
  return mesh.provide('kms', service, METHODS)
}
