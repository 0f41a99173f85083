import { s3Error } from './errors.ts'

/**
 * S3 API, StorageClass: those whose objects can be read at once. GLACIER and DEEP_ARCHIVE are not among them: clients do not even
 * try to read such an object before it is restored.
 */
export const STORAGE_CLASSES = [
  'STANDARD',
  'REDUCED_REDUNDANCY',
  'STANDARD_IA',
  'INTELLIGENT_TIERING',
  'ONEZONE_IA',
  'GLACIER_IR',
] as const

export type StorageClass = (typeof STORAGE_CLASSES)[number]

export function isStorageClass(text: string): text is StorageClass {
  return (STORAGE_CLASSES as readonly string[]).includes(text)
}

/** x-amz-storage-class; absent: STANDARD. InvalidStorageClass. */
export function parseStorageClass(headers: Readonly<Record<string, string | undefined>>): StorageClass {
  const text = headers['x-amz-storage-class'] ?? 'STANDARD'
  if (!isStorageClass(text)) throw invalidStorageClass(text)
  return text
}

export function invalidStorageClass(text: string): Error {
  return s3Error('InvalidStorageClass', { details: { StorageClassRequested: text.slice(0, 64) } })
}

/** x-amz-storage-class of an answer: S3 says nothing of STANDARD (S3 API, HeadObject). */
export function storageClassHeader(storageClass: StorageClass | undefined): Record<string, string> {
  return storageClass === undefined || storageClass === 'STANDARD' ? {} : { 'x-amz-storage-class': storageClass }
}
