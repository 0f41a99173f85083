export { MESH_ERRORS, type MeshErrorCode } from './errors.ts'
export { createLogger, type Logger } from './logger.ts'
export { Mesh, type MeshProcess } from './mesh.ts'
export type { MeshOptions, NatsOptions } from './mesh-options.ts'
