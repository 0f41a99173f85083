import type { IamService } from '@coffer/contracts'
import type { Mesh } from '@coffer/mesh'

export { IAM_ERRORS } from './errors.ts'
export { createIamService, type IamServiceOptions } from './iam-service.ts'
export type { IdentityRule, IdentitySettings } from './identity-settings.ts'

/** Not `ensureRootAccount`: who replaces the root access key is the process that keeps it, never a call over NATS. */
const METHODS = [
  'actionRecipient',
  'createAccount',
  'describeHolder',
  'describeSealingKey',
  'findAccount',
  'findPolicies',
  'findPrincipalArns',
  'findPublicAccessBlock',
  'findSigningKey',
  'verifySignatureV2',
  'hasRootAccount',
  'identifyPrincipals',
  'listAccounts',
  'listIdentityProviders',
  'logOut',
  'noteKeyUse',
  'perform',
  'performSts',
  'removeAccount',
  'rewrapSealingKey',
  'setPublicAccessBlock',
] as const satisfies readonly (keyof IamService)[]

/** Offers iam to the mesh. */
export function provideIam(mesh: Mesh, service: IamService): Promise<void> {
  return mesh.provide('iam', service, METHODS)
}
