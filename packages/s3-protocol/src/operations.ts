import { s3Error } from './errors.ts'

/** A route: the sub-resource (query name) or header that tells it from its neighbours; '' for the plain one. */
interface Route {
  readonly method: string
  /** `account` and `tags`: of the S3 Control API. */
  readonly target: 'service' | 'account' | 'tags' | 'bucket' | 'object'
  /** Query names that must all be there. */
  readonly query?: readonly string[]
  /** `name=value` that must be there. */
  readonly queryValue?: readonly [name: string, value: string]
  readonly header?: string
  readonly operation: string
}

/** Each sub-resource of a bucket that has a plain get, put and delete, with the name that it has in operations. */
const BUCKET_SUBRESOURCES = [
  ['abac', 'Abac', 'GP'],
  ['accelerate', 'AccelerateConfiguration', 'GP'],
  ['acl', 'Acl', 'GP'],
  ['cors', 'Cors', 'GPD'],
  ['encryption', 'Encryption', 'GPD'],
  ['lifecycle', 'LifecycleConfiguration', 'GP'],
  ['location', 'Location', 'G'],
  ['logging', 'Logging', 'GP'],
  ['notification', 'NotificationConfiguration', 'GP'],
  ['ownershipControls', 'OwnershipControls', 'GPD'],
  ['policy', 'Policy', 'GPD'],
  ['policyStatus', 'PolicyStatus', 'G'],
  ['replication', 'Replication', 'GPD'],
  ['requestPayment', 'RequestPayment', 'GP'],
  ['tagging', 'Tagging', 'GPD'],
  ['versioning', 'Versioning', 'GP'],
  ['website', 'Website', 'GPD'],
] as const

const LISTED_CONFIGURATIONS = [
  ['analytics', 'Analytics'],
  ['intelligent-tiering', 'IntelligentTiering'],
  ['inventory', 'Inventory'],
  ['metrics', 'Metrics'],
] as const

/** What AWS keeps beside a bucket's objects in tables of its own: each has a name that a plain route must not take for its own. */
const METADATA_TABLE_ROUTES: readonly Route[] = (
  [
    ['metadataConfiguration', 'MetadataConfiguration'],
    ['metadataTable', 'MetadataTableConfiguration'],
  ] as const
).flatMap(([query, name]): Route[] => [
  { method: 'POST', target: 'bucket', query: [query], operation: `CreateBucket${name}` },
  { method: 'GET', target: 'bucket', query: [query], operation: `GetBucket${name}` },
  { method: 'DELETE', target: 'bucket', query: [query], operation: `DeleteBucket${name}` },
])

const METADATA_TABLES = ['Annotation', 'Inventory', 'Journal'] as const

const VERBS = { G: ['GET', 'GetBucket'], P: ['PUT', 'PutBucket'], D: ['DELETE', 'DeleteBucket'] } as const

function bucketSubresourceRoutes(): Route[] {
  const plain = BUCKET_SUBRESOURCES.flatMap(([query, name, verbs]) =>
    (['G', 'P', 'D'] as const)
      .filter((verb) => verbs.includes(verb))
      .map((verb): Route => {
        const [method, prefix] = VERBS[verb]
        return { method, target: 'bucket', query: [query], operation: `${prefix}${name}` }
      }),
  )
  const listed = LISTED_CONFIGURATIONS.flatMap(([query, name]): Route[] => [
    { method: 'GET', target: 'bucket', query: [query, 'id'], operation: `GetBucket${name}Configuration` },
    { method: 'GET', target: 'bucket', query: [query], operation: `ListBucket${name}Configurations` },
    { method: 'PUT', target: 'bucket', query: [query], operation: `PutBucket${name}Configuration` },
    { method: 'DELETE', target: 'bucket', query: [query], operation: `DeleteBucket${name}Configuration` },
  ])
  return [...listed, ...plain]
}

/** All routes of the S3 API (Amazon S3 API Reference, "Actions"). The first that fits counts: the special before the plain. */
const ROUTES: readonly Route[] = [
  { method: 'GET', target: 'service', operation: 'ListBuckets' },
  { method: 'GET', target: 'account', operation: 'GetAccountPublicAccessBlock' },
  { method: 'PUT', target: 'account', operation: 'PutAccountPublicAccessBlock' },
  { method: 'DELETE', target: 'account', operation: 'DeleteAccountPublicAccessBlock' },
  { method: 'GET', target: 'tags', operation: 'ListTagsForResource' },
  { method: 'POST', target: 'tags', operation: 'TagResource' },
  { method: 'DELETE', target: 'tags', operation: 'UntagResource' },

  ...bucketSubresourceRoutes(),
  ...METADATA_TABLE_ROUTES,
  ...METADATA_TABLES.map((name): Route => {
    const operation = `UpdateBucketMetadata${name}TableConfiguration`
    return { method: 'PUT', target: 'bucket', query: [`metadata${name}Table`], operation }
  }),
  { method: 'DELETE', target: 'bucket', query: ['lifecycle'], operation: 'DeleteBucketLifecycle' },
  { method: 'GET', target: 'bucket', query: ['object-lock'], operation: 'GetObjectLockConfiguration' },
  { method: 'PUT', target: 'bucket', query: ['object-lock'], operation: 'PutObjectLockConfiguration' },
  { method: 'GET', target: 'bucket', query: ['publicAccessBlock'], operation: 'GetPublicAccessBlock' },
  { method: 'PUT', target: 'bucket', query: ['publicAccessBlock'], operation: 'PutPublicAccessBlock' },
  { method: 'DELETE', target: 'bucket', query: ['publicAccessBlock'], operation: 'DeletePublicAccessBlock' },
  { method: 'GET', target: 'bucket', query: ['session'], operation: 'CreateSession' },
  { method: 'GET', target: 'bucket', query: ['versions'], operation: 'ListObjectVersions' },
  { method: 'GET', target: 'bucket', query: ['uploads'], operation: 'ListMultipartUploads' },
  // An extension of MinIO.
  { method: 'GET', target: 'bucket', query: ['events'], operation: 'ListenBucketNotification' },
  { method: 'GET', target: 'bucket', queryValue: ['list-type', '2'], operation: 'ListObjectsV2' },
  { method: 'GET', target: 'bucket', operation: 'ListObjects' },
  { method: 'HEAD', target: 'bucket', operation: 'HeadBucket' },
  { method: 'PUT', target: 'bucket', operation: 'CreateBucket' },
  { method: 'DELETE', target: 'bucket', operation: 'DeleteBucket' },
  { method: 'POST', target: 'bucket', query: ['delete'], operation: 'DeleteObjects' },
  { method: 'POST', target: 'bucket', query: ['x-coffer-rekey'], operation: 'RekeyCustomerObjects' },
  { method: 'POST', target: 'bucket', operation: 'PostObject' },

  { method: 'GET', target: 'object', query: ['acl'], operation: 'GetObjectAcl' },
  { method: 'PUT', target: 'object', query: ['acl'], operation: 'PutObjectAcl' },
  {
    method: 'GET',
    target: 'object',
    query: ['annotation'],
    queryValue: ['x-id', 'ListObjectAnnotations'],
    operation: 'ListObjectAnnotations',
  },
  { method: 'GET', target: 'object', query: ['annotation'], operation: 'GetObjectAnnotation' },
  { method: 'PUT', target: 'object', query: ['annotation'], operation: 'PutObjectAnnotation' },
  { method: 'DELETE', target: 'object', query: ['annotation'], operation: 'DeleteObjectAnnotation' },
  { method: 'GET', target: 'object', query: ['attributes'], operation: 'GetObjectAttributes' },
  { method: 'GET', target: 'object', query: ['legal-hold'], operation: 'GetObjectLegalHold' },
  { method: 'PUT', target: 'object', query: ['legal-hold'], operation: 'PutObjectLegalHold' },
  { method: 'GET', target: 'object', query: ['retention'], operation: 'GetObjectRetention' },
  { method: 'PUT', target: 'object', query: ['retention'], operation: 'PutObjectRetention' },
  { method: 'GET', target: 'object', query: ['tagging'], operation: 'GetObjectTagging' },
  { method: 'PUT', target: 'object', query: ['tagging'], operation: 'PutObjectTagging' },
  { method: 'DELETE', target: 'object', query: ['tagging'], operation: 'DeleteObjectTagging' },
  { method: 'GET', target: 'object', query: ['torrent'], operation: 'GetObjectTorrent' },
  { method: 'PUT', target: 'object', query: ['encryption'], operation: 'UpdateObjectEncryption' },
  { method: 'PUT', target: 'object', query: ['renameObject'], operation: 'RenameObject' },
  { method: 'GET', target: 'object', query: ['uploadId'], operation: 'ListParts' },
  { method: 'PUT', target: 'object', query: ['uploadId'], header: 'x-amz-copy-source', operation: 'UploadPartCopy' },
  { method: 'PUT', target: 'object', query: ['uploadId'], operation: 'UploadPart' },
  { method: 'DELETE', target: 'object', query: ['uploadId'], operation: 'AbortMultipartUpload' },
  { method: 'POST', target: 'object', query: ['uploads'], operation: 'CreateMultipartUpload' },
  { method: 'POST', target: 'object', query: ['uploadId'], operation: 'CompleteMultipartUpload' },
  { method: 'POST', target: 'object', query: ['restore'], operation: 'RestoreObject' },
  { method: 'POST', target: 'object', query: ['select'], operation: 'SelectObjectContent' },
  { method: 'PUT', target: 'object', header: 'x-amz-copy-source', operation: 'CopyObject' },
  { method: 'PUT', target: 'object', operation: 'PutObject' },
  { method: 'GET', target: 'object', operation: 'GetObject' },
  { method: 'HEAD', target: 'object', operation: 'HeadObject' },
  { method: 'DELETE', target: 'object', operation: 'DeleteObject' },
]

/** Name of an S3 API action. Which of them are answered is the gateway's business. */
export type OperationName = string

/** All calls of the S3 API that have a route. */
export const OPERATION_NAMES: readonly OperationName[] = [...new Set(ROUTES.map(({ operation }) => operation))]

/** Names of sub-resources: where one is asked for, a plain route never fits, so that `DELETE ?acl` deletes nothing else. */
export const SUBRESOURCES: ReadonlySet<string> = new Set(
  ROUTES.flatMap(({ query }) => query ?? []).filter((name) => name !== 'id'),
)

const ROUTES_BY_PLACE = Map.groupBy(ROUTES, ({ method, target }) => `${method} ${target}`)

/** What a browser asks before a request across origins (S3 API, OPTIONS object): whatever it is that will follow. */
export const PREFLIGHT = 'PreflightRequest'

/** Which operation a request means. MethodNotAllowed where S3 has none. */
export function operationOf(
  method: string,
  target: Route['target'],
  query: ReadonlyMap<string, string>,
  headers: Readonly<Record<string, string | undefined>>,
): OperationName {
  if (method === 'OPTIONS' && (target === 'bucket' || target === 'object')) return PREFLIGHT
  const namesSubresource = query.size > 0 && query.keys().some((name) => SUBRESOURCES.has(name))
  for (const route of ROUTES_BY_PLACE.get(`${method} ${target}`) ?? []) {
    if (route.query === undefined && namesSubresource) continue
    if (fits(route, query, headers)) return route.operation
  }
  throw s3Error('MethodNotAllowed', { details: { Method: method, ResourceType: target.toUpperCase() } })
}

function fits(
  route: Route,
  query: ReadonlyMap<string, string>,
  headers: Readonly<Record<string, string | undefined>>,
): boolean {
  if (route.query !== undefined && !route.query.every((name) => query.has(name))) return false
  if (route.queryValue !== undefined && query.get(route.queryValue[0]) !== route.queryValue[1]) return false
  return route.header === undefined || headers[route.header] !== undefined
}
