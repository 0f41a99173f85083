import type { BlobStoreState, EventTargetStatus, LocatedKey, MetadataState, ProcessStatus } from '@coffer/contracts'
import type { JobState } from '@coffer/job-queue'
import type { Finding } from '../doctor/finding.ts'
import type { WaitingReplication } from '../replication-status.ts'

/** A process, and how long ago it was heard. `isGone`: it was there and is silent, or has said goodbye. */
export interface ProcessRow extends ProcessStatus {
  readonly silentMs: number
  readonly isGone: boolean
}

export interface StoreRow extends BlobStoreState {
  /** Which processes cannot use it; one may reach a store that another does not. */
  readonly awayFor: readonly string[]
}

export interface ConnectorRow {
  readonly connector: string
  /** Code of why its keys could not be listed just now. */
  readonly failure?: string
  /** Absent of the built-in one, which is never away by itself; `open`: how many processes do not ask it now; `halfOpen`: would try. */
  readonly circuit?: { readonly open: number; readonly halfOpen: number; readonly of: number }
}

type KeyFacts = 'connector' | 'keyId' | 'ownerAccountId' | 'state' | 'currentVersion' | 'deletionAt'

export interface KeyRow extends Pick<LocatedKey, KeyFacts> {
  readonly nextRotationAt?: number
  /** Objects that need a version before the newest. */
  readonly olderObjectCount: number
}

export interface JobsState {
  readonly byState: Readonly<Record<JobState, number>>
  /** How long the first of those that wait has waited. */
  readonly lagMs: number
  /** Failed in the last day. */
  readonly failedLately: number
  readonly scheduleCount: number
}

export interface AuditTotal {
  readonly mode: 'off' | 'changes' | 'all'
  readonly recordCount: number
  readonly droppedCount: number
  readonly waitingCount: number
  readonly stalledTargetCount: number
}

/** What `coffer status --json` prints. A part that could not be asked is absent, and named in `unanswered`. */
export interface StatusReport {
  readonly at: number
  readonly runs: 'server' | 'mesh'
  /** No finding is a problem. */
  readonly isHealthy: boolean
  readonly findings: readonly Finding[]
  readonly processes: readonly ProcessRow[]
  readonly metadata?: MetadataState
  readonly blobStores: readonly StoreRow[]
  readonly jobs?: JobsState
  readonly connectors?: readonly ConnectorRow[]
  readonly keys?: readonly KeyRow[]
  /** There are more keys, or more objects of older versions, than were looked at. */
  readonly keysArePartial?: boolean
  readonly events?: readonly EventTargetStatus[]
  readonly replication?: readonly WaitingReplication[]
  readonly audit?: AuditTotal
  readonly unanswered: readonly { readonly part: string; readonly code: string }[]
}
