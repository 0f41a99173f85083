/** Where a walk over all buckets with lifecycle rules is: plain data, to be kept or sent. */
export interface LifecyclePosition {
  readonly accountId: string
  readonly bucket: string
  /** Absent: this bucket is done with, the next one comes. */
  readonly within?: LifecyclePlace
}

/** Where it is in a bucket; `bucketId`: another bucket of this name begins anew. */
export type LifecyclePlace = { readonly bucketId: string } & (
  | {
      readonly kind: 'versions'
      /** Keys up to this one are done with. */
      readonly afterKey: string
      /** In the middle of the next key, which has more versions than a page. A walk that rested for long leaves it out. */
      readonly inKey?: LifecycleKeyPlace
    }
  | { readonly kind: 'uploads'; readonly afterKey: string; readonly afterUploadId: string }
)

export interface LifecycleKeyPlace {
  readonly key: string
  readonly versionId: string
  /** When the version that comes next became noncurrent; absent: not known, as a record is damaged. */
  readonly noncurrentSinceAt?: number
  readonly noncurrentCount: number
}

/** What was done, or (in a preview) would be. */
export interface LifecycleReport {
  readonly versionsSeen: number
  /** Current versions: removed, or hidden behind a new delete marker where the bucket has had versioning. */
  readonly expired: number
  readonly noncurrentRemoved: number
  /** Delete markers that hid nothing. */
  readonly deleteMarkersRemoved: number
  readonly uploadsAborted: number
  /** Versions that are due but locked. */
  readonly locked: number
  /** Versions that are due for another storage class: a job of the kind `transition` moves them. */
  readonly transitionsDue: number
  readonly failures: readonly { readonly what: string; readonly code: string }[]
}

export interface LifecycleRequest {
  /** Where the step before ended; absent: from the beginning. */
  readonly position?: LifecyclePosition
  /** Changes nothing, and tells what would be done at this time. */
  readonly previewAt?: number
}

/** One step: a page of one bucket, or a look for the next bucket with rules. */
export interface LifecycleStep {
  readonly report: LifecycleReport
  /** Where the next step begins; absent: all is done. */
  readonly next?: LifecyclePosition
}
