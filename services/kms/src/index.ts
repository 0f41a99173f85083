import type { KmsService } from '@coffer/contracts'
import type { Mesh } from '@coffer/mesh'

export { createKmsService, type KmsServiceOptions } from './kms-service.ts'

const METHODS = [
  'auditPublicKey',
  'cancelKeyDeletion',
  'createAlias',
  'createGrant',
  'createKey',
  'decrypt',
  'deleteAlias',
  'describeKey',
  'describeSettings',
  'destroyDueKeys',
  'disableKey',
  'enableKey',
  'findGrant',
  'findGrantByToken',
  'findGrantsTo',
  'findKeyPolicy',
  'generateDataKey',
  'getKeyUsage',
  'importKey',
  'listAuditHeads',
  'keyRecipient',
  'listAliases',
  'listConnectors',
  'listGrants',
  'listKeys',
  'listRetirableGrants',
  'removeGrant',
  'rewrap',
  'rewrapMany',
  'rotateDueKeys',
  'rotateKey',
  'scheduleKeyDeletion',
  'selfTest',
  'setDescription',
  'setKeyPolicy',
  'setKeyQuota',
  'setRotation',
  'signAuditHead',
  'tagKey',
  'untagKey',
  'updateAlias',
] as const satisfies readonly (keyof KmsService)[]

/** Offers the KMS to the mesh. */
export function provideKms(mesh: Mesh, service: KmsService): Promise<void> {
  return mesh.provide('kms', service, METHODS)
}
