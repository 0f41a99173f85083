export interface ScrubReport {
  readonly blobsSeen: number
  /** Unreferenced blobs of retired writers, removed. */
  readonly orphansRemoved: number
  /** Blobs that commits had dropped, now removed. */
  readonly garbageRemoved: number
  /** Referenced blobs that are missing, can't be opened, or have another size than the record says. */
  readonly damaged: readonly { readonly blobId: string; readonly problem: 'missing' | 'unreadable' | 'size' }[]
}

/** Queued jobs. Today: the scrubber; key rotation jobs come with the KMS connectors. */
export interface RotationService {
  scrub(): Promise<ScrubReport>
  /** The part of a scrub that is due all the time: deletes what commits have dropped; returns how many blobs. */
  removeGarbage(): Promise<number>
}
