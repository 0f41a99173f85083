import type { MetadataStore, UploadPage } from '../../metadata-store.ts'
import type { Databases } from './databases.ts'
import { objectName, uploadKey } from './keys.ts'
import { readPage, resumeAfter } from './listing.ts'
import { scan } from './table.ts'
import { decodeUpload } from './upload-row.ts'

export function listUploads(databases: Databases, query: Parameters<MetadataStore['listUploads']>[0]): UploadPage {
  const { bucketId, afterKey, afterUploadId } = query
  const inKey = afterKey !== '' && afterUploadId !== ''
  const { entries, commonPrefixes, last } = readPage(
    (start, prefix) => scan(databases.uploads, { start, prefix }),
    query,
    (row, key) => decodeUpload(row.value, key, row.key),
    inKey ? resumeAfter(uploadKey(objectName(bucketId, afterKey), afterUploadId)) : undefined,
  )
  if (!last) return { uploads: entries, commonPrefixes }
  const next =
    'entry' in last
      ? { afterKey: last.entry.key, afterUploadId: last.entry.uploadId }
      : { afterKey: last.commonPrefix, afterUploadId: '' }
  return { uploads: entries, commonPrefixes, next }
}
