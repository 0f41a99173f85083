import type { MetadataKey } from '@coffer/crypto-core'
import type { BucketRecord, VersionBody, VersionRecord } from '@coffer/metadata-store'
import type { OpenedVersion } from '@coffer/object-record'

/** A version as a job found it. */
export interface FoundVersion extends OpenedVersion {
  readonly bucket: BucketRecord
  readonly metadataKey: MetadataKey
  readonly version: VersionRecord
  readonly isLatest: boolean
  /** Where the change needs it. */
  readonly body?: VersionBody
}

/** What a job does to each version: one atomic replacement, after which version id, order, dates, ETag and metadata are as they were. */
export interface ObjectChange {
  /** `always`: to see whether it is due as well. */
  readonly needsBody: 'never' | 'to-apply' | 'always'
  /** It opens no object key, so that it may change what only a client's key opens. */
  readonly needsNoKey?: true
  /** False: it is done already, by an earlier run or by a client. */
  isDue(found: FoundVersion): boolean
  /** META_VERSION_CHANGED: the version has changed since it was found. */
  apply(found: FoundVersion, signal: AbortSignal): Promise<void>
}
