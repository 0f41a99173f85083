export interface ScrubReport {
  readonly blobsSeen: number
  /** Unreferenced blobs of retired writers, removed. */
  readonly orphansRemoved: number
  /** Blobs that commits had dropped, now removed. */
  readonly garbageRemoved: number
  /** Referenced blobs that are missing, can't be opened, or have another size than the record says. */
  readonly damaged: readonly { readonly blobId: string; readonly problem: 'missing' | 'unreadable' | 'size' }[]
}

/** What one version of a master key still opens. */
export interface KeyVersionUse {
  readonly version: number
  /** Object keys sealed under its bucket keys or data keys. */
  readonly objectCount: number
  readonly bucketKeyCount: number
  /** Buckets whose metadata key it wraps. */
  readonly bucketCount: number
  /** Whether it wraps the key of the identity records. */
  readonly wrapsIdentities: boolean
}

export interface KeyUse {
  readonly connector: string
  readonly keyId: string
  /** Each version that something needs, ascending. */
  readonly versions: readonly KeyVersionUse[]
}

export interface RewrapRequest {
  /** What is wrapped under this master key (`key` or `connector/key`), in versions before its newest... */
  readonly keyName: string
  /** ...or in all versions, to come under the newest version of this other one. */
  readonly toKeyName?: string
  readonly dryRun?: boolean
}

/** What a rewrap did, or (dry run) would do. */
export interface RewrapReport {
  readonly from: string
  readonly to: string
  readonly toVersion: number
  readonly dryRun: boolean
  readonly startedAt: number
  readonly endedAt: number
  readonly bucketKeyCount: number
  readonly bucketCount: number
  readonly identitiesRewrapped: boolean
  /** Objects that now depend on the new version, without their having been touched. */
  readonly objectCount: number
  /** Objects that the master key seals by itself: each has been rewrapped. */
  readonly directObjectCount: number
  readonly failures: readonly { readonly what: string; readonly code: string }[]
}

/** Queued jobs. Today: the scrubber and the rewrap. */
export interface RotationService {
  scrub(): Promise<ScrubReport>
  /** The part of a scrub that is due all the time: deletes what commits have dropped; returns how many blobs. */
  removeGarbage(): Promise<number>
  /** What needs which version of a master key. KMS_KEY_NOT_FOUND. */
  keyUse(keyName: string): Promise<KeyUse>
  /**
   * Wraps anew what a master key wraps: bucket keys, metadata keys, the key of the identity records. No object is touched.
   * Killed at any moment, it goes on where it was when it is asked for again, as what is done needs nothing.
   */
  rewrap(request: RewrapRequest): Promise<RewrapReport>
}
