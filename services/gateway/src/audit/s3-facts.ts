import type { ParsedRequest } from '@coffer/s3-protocol'
import type { UnderstoodFacts } from './trail.ts'

/** On a bucket, but about the objects in it. */
const ABOUT_OBJECTS: ReadonlySet<string> = new Set(['DeleteObjects', 'PostObject', 'RekeyCustomerObjects'])
const READS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/** What of an S3 request is for the trail. The query is read by name: what else is in it, a signature too, stays behind. */
export function factsOf({ operation, method, bucket, key, query }: ParsedRequest): UnderstoodFacts {
  return {
    service: 's3',
    operation,
    isChange: key === '' && !READS.has(method) && !ABOUT_OBJECTS.has(operation),
    bucket,
    key,
    versionId: query.get('versionId')?.slice(0, VERSION_ID_CHARACTERS_MAX),
  }
}

const VERSION_ID_CHARACTERS_MAX = 64
