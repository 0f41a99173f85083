import type { HeadObjectCommandOutput } from '@aws-sdk/client-s3'
import { type ChecksumAlgorithm, hasChecksum, type ObjectLock } from '@coffer/s3-protocol'
import type { SourceObject } from './source.ts'
import { sourceError } from './source-errors.ts'

const PARTS_ETAG = /^[0-9a-f]{32}-(\d{1,5})$/
const MD5_ETAG = /^[0-9a-f]{32}(-\d{1,5})?$/
/** S3 User Guide, "Multipart upload limits". */
const PARTS_MAX = 10_000
const SECOND_MS = 1000

/** S3's form for an object that was uploaded in parts: `<32 hex>-<how many>`. */
export function hasPartsEtag(etag: string | undefined): boolean {
  return PARTS_ETAG.test(unquoted(etag))
}

/** `partsCount`: as a request for the first part was answered. */
export function describeObject(head: HeadObjectCommandOutput, partsCount: number | undefined): SourceObject {
  if (head.SSECustomerAlgorithm !== undefined) throw sourceError('ROTATION_SOURCE_NEEDS_KEY', 'SSE-C')
  const etag = unquoted(head.ETag)
  const count = Number(PARTS_ETAG.exec(etag)?.[1] ?? 0)
  const hasParts = count > 0 && count <= PARTS_MAX && partsCount === count
  const checksum = checksumOf(head)
  const lock = lockOf(head)
  return {
    sizeBytes: head.ContentLength ?? 0,
    etag,
    hasMd5Etag: MD5_ETAG.test(etag) && !(head.ServerSideEncryption ?? '').startsWith('aws:kms'),
    headers: headersOf(head),
    ...(lock && { lock }),
    ...(checksum && { checksum }),
    ...(hasParts && { partCount: count }),
  }
}

function headersOf(head: HeadObjectCommandOutput): Record<string, string> {
  const named: Readonly<Record<string, string | undefined>> = {
    'cache-control': head.CacheControl,
    'content-disposition': head.ContentDisposition,
    'content-encoding': head.ContentEncoding,
    'content-language': head.ContentLanguage,
    'content-type': head.ContentType,
    expires: head.ExpiresString,
    'x-amz-website-redirect-location': head.WebsiteRedirectLocation,
  }
  const user = Object.entries(head.Metadata ?? {}).map(([name, value]) => [`x-amz-meta-${name.toLowerCase()}`, value])
  const given = Object.entries(named).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return Object.fromEntries([...given, ...user])
}

/** As it stands, also where it has run out. Whole seconds; a fraction counts as the next: nothing is held shorter. */
function lockOf(head: HeadObjectCommandOutput): ObjectLock | undefined {
  const { ObjectLockMode: mode, ObjectLockRetainUntilDate: until, ObjectLockLegalHoldStatus: legalHold } = head
  const hasRetention = mode !== undefined && until !== undefined
  if (!hasRetention && legalHold === undefined) return undefined
  return {
    ...(hasRetention && { retention: { mode, retainUntilAt: Math.ceil(until.getTime() / SECOND_MS) * SECOND_MS } }),
    ...(legalHold !== undefined && { legalHold }),
  }
}

function checksumOf(head: HeadObjectCommandOutput): SourceObject['checksum'] {
  const given: Readonly<Partial<Record<ChecksumAlgorithm, string | undefined>>> = {
    CRC64NVME: head.ChecksumCRC64NVME,
    CRC32C: head.ChecksumCRC32C,
    CRC32: head.ChecksumCRC32,
    SHA256: head.ChecksumSHA256,
    SHA1: head.ChecksumSHA1,
    SHA512: head.ChecksumSHA512,
    XXHASH64: head.ChecksumXXHASH64,
    XXHASH3: head.ChecksumXXHASH3,
    XXHASH128: head.ChecksumXXHASH128,
  }
  for (const [name, value] of Object.entries(given)) {
    const algorithm = name as ChecksumAlgorithm
    if (value === undefined || !hasChecksum(algorithm)) continue
    return { algorithm, type: value.includes('-') ? 'COMPOSITE' : 'FULL_OBJECT', value }
  }
  return undefined
}

function unquoted(etag: string | undefined): string {
  return (etag ?? '').replaceAll('"', '')
}
