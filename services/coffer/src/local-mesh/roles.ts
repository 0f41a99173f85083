/** Who is on the mesh: its services, and `operator`, which stands for the commands that an administrator runs. */
export const MESH_ROLES = ['gateway', 'metadata', 'kms', 'crypto', 'iam', 'rotation', 'events', 'operator'] as const

export const SERVICES_OF_A_MESH = MESH_ROLES.filter((role) => role !== 'operator')

export type MeshRole = (typeof MESH_ROLES)[number]

/** Whom each role calls. What is not here NATS does not let through. */
export const CALLS: Readonly<Record<MeshRole, readonly MeshRole[]>> = {
  gateway: ['metadata', 'kms', 'crypto', 'iam', 'rotation'],
  metadata: [],
  kms: ['metadata', 'rotation'],
  crypto: ['metadata', 'kms'],
  iam: ['metadata', 'kms'],
  rotation: ['metadata', 'kms', 'crypto', 'iam', 'rotation'],
  events: ['metadata', 'crypto'],
  operator: ['gateway', 'metadata', 'kms', 'crypto', 'iam', 'rotation', 'events'],
}
