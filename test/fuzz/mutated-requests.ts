import fc from 'fast-check'
import type { RawRequest } from '../harness/raw-request.ts'

/** Names of a bucket with objects, some with versions, and of an upload under way. */
export interface Ground {
  readonly bucket: string
  readonly key: string
  readonly versionId: string
  readonly uploadId: string
}

const QUERY_NAMES = [
  'acl', 'attributes', 'cors', 'delete', 'encryption', 'legal-hold', 'lifecycle', 'list-type', 'location', 'logging', 'max-keys',
  'max-parts', 'notification', 'object-lock', 'ownershipControls', 'partNumber', 'policy', 'policyStatus', 'prefix', 'delimiter',
  'publicAccessBlock', 'replication', 'requestPayment', 'response-content-type', 'restore', 'retention', 'tagging', 'uploadId',
  'uploads', 'versionId', 'versioning', 'versions', 'website', 'key-marker', 'version-id-marker', 'continuation-token',
  'start-after', 'encoding-type', 'x-id', 'torrent', 'select', 'renameObject', 'inventory', 'metrics', 'id',
  'abac', 'accelerate', 'annotation', 'metadataConfiguration', 'metadataJournalTable', 'max-buckets', 'bucket-region',
] // biome-ignore format: a list of words

const HEADER_NAMES = [
  'range', 'if-match', 'if-none-match', 'if-modified-since', 'content-md5', 'content-encoding', 'content-type', 'expires',
  'x-amz-acl', 'x-amz-grant-read', 'x-amz-tagging', 'x-amz-storage-class', 'x-amz-copy-source', 'x-amz-copy-source-range',
  'x-amz-metadata-directive', 'x-amz-server-side-encryption', 'x-amz-server-side-encryption-aws-kms-key-id',
  'x-amz-server-side-encryption-context', 'x-amz-server-side-encryption-customer-algorithm',
  'x-amz-server-side-encryption-customer-key', 'x-amz-checksum-sha256', 'x-amz-checksum-crc32', 'x-amz-checksum-algorithm',
  'x-amz-sdk-checksum-algorithm', 'x-amz-object-lock-mode', 'x-amz-object-lock-retain-until-date', 'x-amz-meta-m', 'x-amz-mfa',
  'x-amz-object-attributes', 'x-amz-max-parts', 'x-amz-expected-bucket-owner', 'x-amz-object-ownership', 'x-amz-decoded-content-length',
  'x-amz-rename-source', 'x-amz-rename-source-if-match', 'x-amz-client-token', 'x-amz-write-offset-bytes', 'x-amz-account-id',
  'x-amz-checksum-xxhash3', 'x-amz-checksum-md5', 'x-amz-checksum-type', 'x-amz-if-match-size',
  'x-amz-replication-status', 'x-coffer-replica-of', 'x-amz-if-match-initiated-time', 'x-amz-bucket-namespace',
  'x-amz-object-lock-event-hold', 'x-amz-bucket-object-lock-enabled', 'x-amz-website-redirect-location', 'origin', 'access-control-request-method',
] // biome-ignore format: a list of words

const BODIES = [
  '',
  '<Delete><Object><Key>k</Key></Object></Delete>',
  '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"x"</ETag></Part></CompleteMultipartUpload>',
  '<TagResourceRequest><Tags><Tag><Key>a</Key><Value>b</Value></Tag></Tags></TagResourceRequest>',
  '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>',
  '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>',
  '<LifecycleConfiguration><Rule><ID>r</ID><Filter/><Status>Enabled</Status><Expiration><Days>9</Days></Expiration></Rule></LifecycleConfiguration>',
  '<AccessControlPolicy><AccessControlList><Grant><Grantee><ID>x</ID></Grantee><Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>',
  '<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule></CORSConfiguration>',
  '<BucketLoggingStatus><LoggingEnabled><TargetBucket>b</TargetBucket><TargetPrefix>p</TargetPrefix></LoggingEnabled></BucketLoggingStatus>',
  '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>',
  '<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>',
  '<AbacStatus><Status>Disabled</Status></AbacStatus>',
  '<AccelerateConfiguration><Status>Suspended</Status></AccelerateConfiguration>',
  '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*"}]}',
]

/** Of a value: what parsers stumble over. */
const ODD_TEXTS = [
  '', '0', '-1', '1', '1001', '99999999999999999999', 'null', 'true', '*', '"', '""', 'bytes=0-', 'bytes=5-1', 'bytes=-0', '%', '%zz',
  'a=b&a=b', '2026-01-01T00:00:00Z', 'Thu, 01 Jan 1970 00:00:00 GMT', 'private', 'AES256', 'aws:kms', 'AAAA', '=', ';', '\t', 'é',
  '/b/k', '/b/k?versionId=x', '../..', '__proto__', 'constructor', 'x'.repeat(3000),
] // biome-ignore format: a list of words

const headerSafe = (text: string) => text.replaceAll(/[^\t\x20-\x7e]/g, '')

/** Real requests with something changed: names, parameters, headers, bodies cut, repeated or with bytes flipped. */
export function mutatedRequests(ground: Ground): fc.Arbitrary<RawRequest> {
  const text = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...ODD_TEXTS, ground.versionId, ground.uploadId, ground.key) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  )
  const path = fc.oneof(
    fc.constantFrom(
      `/${ground.bucket}`,
      `/${ground.bucket}/${ground.key}`,
      `/${ground.bucket}/new`,
      '/',
      '/v20180820/configuration/publicAccessBlock',
      `/v20180820/tags/arn%3Aaws%3As3%3A%3A%3A${ground.bucket}`,
      '/v20180820/tags/arn:aws:s3',
      `/${ground.bucket}/`,
    ),
    text.map((key) => `/${ground.bucket}/${encodeURIComponent(key.toWellFormed()).slice(0, 2000)}`),
    text.map((name) => `/${encodeURIComponent(name.toWellFormed()).slice(0, 200)}`),
  )
  const query = fc.dictionary(
    fc.constantFrom(...QUERY_NAMES),
    text.map((value) => value.toWellFormed()),
    { maxKeys: 3 },
  )
  const headers = fc.dictionary(fc.constantFrom(...HEADER_NAMES), text.map(headerSafe), { maxKeys: 4 })
  return fc.record({
    method: fc.constantFrom('GET', 'GET', 'PUT', 'PUT', 'POST', 'DELETE', 'HEAD', 'OPTIONS'),
    path,
    query,
    headers,
    body: fc.constantFrom(...BODIES).chain(mutatedBody),
  })
}

function mutatedBody(body: string): fc.Arbitrary<Uint8Array> {
  const bytes = Buffer.from(body)
  const at = fc.nat(Math.max(0, bytes.length - 1))
  return fc.oneof(
    fc.constant(bytes),
    at.map((length) => bytes.subarray(0, length)),
    at.map((index) => Buffer.concat([bytes, bytes.subarray(index)])),
    fc.tuple(at, fc.nat(255)).map(([index, value]) => {
      const changed = Buffer.from(bytes)
      if (changed.length > 0) changed[index] = value
      return changed
    }),
    fc.uint8Array({ maxLength: 200 }),
  )
}
