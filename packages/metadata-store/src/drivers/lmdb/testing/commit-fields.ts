import { randomBytes } from 'node:crypto'
import type { CommitVersion } from '../../../metadata-store.ts'

let clock = Date.now()

/** A commit of a small version with a fresh id, under revision 1 of the bucket. */
export function commitFields(bucketId: string, key: string, isNull: boolean, bodyBytes = 40): CommitVersion {
  clock = Math.max(clock + 1, Date.now())
  return {
    bucketId,
    bucketRevision: 1,
    version: {
      key,
      versionId: clock.toString(16).padStart(12, '0') + randomBytes(10).toString('hex'),
      isNull,
      isDeleteMarker: false,
      lastModifiedAt: clock,
      sizeBytes: bodyBytes,
      keyRef: 'test/1',
      sealed: randomBytes(64),
      summary: randomBytes(32),
    },
    body: { kind: 'inline', bytes: randomBytes(bodyBytes) },
  }
}
