import type { IamService } from '@coffer/contracts'
import type { Mesh } from '@coffer/mesh'

export { createIamService, type IamServiceOptions } from './iam-service.ts'

const METHODS = [
  'createAccount',
  'ensureRootAccount',
  'findAccount',
  'findSigningKey',
  'hasRootAccount',
  'listAccounts',
  'removeAccount',
] as const satisfies readonly (keyof IamService)[]

/** Offers iam to the mesh. */
export function provideIam(mesh: Mesh, service: IamService): Promise<void> {
  return mesh.provide('iam', service, METHODS)
}
