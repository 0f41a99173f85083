import type { CryptoService } from './crypto.ts'
import type { EventsService } from './events.ts'
import type { IamService } from './iam.ts'
import type { KmsService } from './kms.ts'
import type { MetadataService } from './metadata.ts'
import type { ProcessService } from './process.ts'
import type { RotationService } from './rotation.ts'

export type * from './audit.ts'
export type * from './crypto.ts'
export type * from './events.ts'
export type * from './iam.ts'
export type * from './key-parcel.ts'
export type * from './kms.ts'
export type * from './kms-aliases.ts'
export type * from './kms-grants.ts'
export type * from './kms-quotas.ts'
export type * from './kms-settings.ts'
export type * from './lifecycle.ts'
export type * from './metadata.ts'
export type * from './principal.ts'
export type * from './process.ts'
export type * from './rotation.ts'

/** Every service of the mesh by its name: what `Mesh.use(name)` gives a typed client of. */
export interface Services {
  metadata: MetadataService
  kms: KmsService
  crypto: CryptoService
  iam: IamService
  rotation: RotationService
  events: EventsService
  process: ProcessService
}

export type ServiceName = keyof Services
