import { invalidArgument, s3Error } from './errors.ts'

const OFFSET = 'x-amz-write-offset-bytes'
/** What belongs to an object is said when it is made (S3 API, PutObject, InvalidRequest). */
const OF_NEW_OBJECTS = /^x-amz-(?:meta-|tagging$|acl$|grant-|object-lock-|storage-class$|website-redirect-location$)/

/** Where an append begins (S3 API, PutObject, x-amz-write-offset-bytes). Undefined: it is none. InvalidArgument. */
export function parseWriteOffset(headers: Readonly<Record<string, string | undefined>>): number | undefined {
  const text = headers[OFFSET]
  if (text === undefined) return undefined
  if (!/^\d{1,15}$/.test(text)) throw invalidArgument(OFFSET, text.slice(0, 100), 'The write offset is not a number.')
  return Number(text)
}

/** InvalidRequest. */
export function assertAppendsOnly(headers: Readonly<Record<string, string | undefined>>): void {
  if (!Object.keys(headers).some((name) => OF_NEW_OBJECTS.test(name))) return
  throw s3Error('InvalidRequest', {
    message: 'Cannot specify both a write offset value and user-defined object metadata for existing objects.',
  })
}
