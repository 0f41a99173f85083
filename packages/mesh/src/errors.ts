import { CofferError, type CofferErrorShape } from '@coffer/errors'

/** Every way the mesh can refuse. Codes are API. */
export const MESH_ERRORS = {
  MESH_KEY_MISSING: 'services that talk over NATS need a mesh key (coffer mesh-key)',
  MESH_NATS_REFUSED:
    'the NATS server refuses the authentication: user, password, credentials file or client certificate',
  MESH_SERVICE_UNAVAILABLE: 'the service cannot be reached in time',
  MESH_CALL_FAILED: 'the service failed unexpectedly',
  MESH_SECRET_IN_CALL: 'a secret was about to leave its process unsealed',
} as const

export type MeshErrorCode = keyof typeof MESH_ERRORS

export function meshError(
  code: MeshErrorCode,
  details?: CofferErrorShape['details'],
  options?: { cause?: unknown },
): CofferError {
  return new CofferError({ code, message: MESH_ERRORS[code], ...(details && { details }) }, options)
}
