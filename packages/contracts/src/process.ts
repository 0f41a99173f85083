import type { AuditFigures } from '@coffer/audit'

/** The place of some data, as the process that uses it finds it. */
interface PlaceState {
  /** The code of why it cannot be used now; absent: it answers, and is the right one. */
  readonly failure?: string
  /** Of a directory: its file system. */
  readonly freeBytes?: number
  readonly sizeBytes?: number
}

export interface BlobStoreState extends PlaceState {
  /** As the blobs file names it. */
  readonly store: string
  readonly kind: 'data-directory' | 'directory' | 's3'
  /** The storage classes that are kept there. */
  readonly storageClasses: readonly string[]
}

export interface MetadataState extends PlaceState {
  readonly driver: 'lmdb' | 'postgresql'
}

/**
 * Whether a process asks a KMS now: where the circuit is open, calls fail at once, since it has not answered; where it is half open,
 * the next call tries whether it does again.
 */
export interface KmsCircuit {
  readonly connector: string
  readonly state: 'closed' | 'open' | 'half-open'
}

/** The audit trail of one process. */
export type AuditState = { readonly mode: 'off' } | ({ readonly mode: 'changes' | 'all' } & AuditFigures)

/** What a process tells of itself: nothing of what is stored, and no secret. */
export interface ProcessStatus {
  /** `gateway`, `metadata`...; of a `coffer server`: `supervisor`, `worker`, `jobs`. */
  readonly service: string
  /** Another for each process. */
  readonly instance: string
  readonly host: string
  readonly version: string
  readonly uptimeMs: number
  readonly isReady: boolean
  /** What a process that is not ready waits for. */
  readonly waitingFor: readonly string[]
  /** Each of these of a process that has to do with it. */
  readonly metadata?: MetadataState
  readonly blobStores?: readonly BlobStoreState[]
  readonly circuits?: readonly KmsCircuit[]
  readonly audit?: AuditState
}

/** Offered by each process of a mesh, of itself. */
export interface ProcessService {
  status(): Promise<ProcessStatus>
}
