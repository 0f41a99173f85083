import { s3Error } from './errors.ts'

/*
 * The S3 Control API, version 2018-08-20, lives on paths that an object of a bucket called v20180820 could have too: its header tells them
 * apart. SDKs put the account into the host's name, so that it may look like a bucket's.
 */

const PREFIX = '/v20180820/'
const ACCOUNT_HEADER = 'x-amz-account-id'
const PUBLIC_ACCESS_BLOCK = `${PREFIX}configuration/publicAccessBlock`
const TAGS = `${PREFIX}tags/`

/** S3 Control API, TagResource, ResourceArn. */
const ARN_CHARS_MAX = 1011
/** A general purpose bucket: neither region nor account. */
const BUCKET_ARN = /^arn:aws:s3:::([^/:]+)$/
const S3_ARN = /^arn:[^:]+:s3(?:express)?:[^:]*:\d{0,12}:.+$/
const NAMES_NO_BUCKET = ''

/** What a request of the S3 Control API is about. */
export type ControlTarget =
  | { readonly target: 'account'; readonly bucket: typeof NAMES_NO_BUCKET }
  | { readonly target: 'tags'; readonly bucket: string }

interface ControlRequest {
  readonly rawPath: string
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
}

/** Whether errors are told as the S3 Control API tells them, also where the request could not be parsed. */
export function isControlRequest({ rawPath, headers }: ControlRequest): boolean {
  return rawPath.startsWith(PREFIX) && headers[ACCOUNT_HEADER] !== undefined
}

/** Undefined for a request of the S3 API itself. InvalidURI, InvalidRequest, NoSuchResource, NotImplemented. */
export function controlTargetOf(request: ControlRequest): ControlTarget | undefined {
  if (!isControlRequest(request)) return undefined
  if (request.rawPath === PUBLIC_ACCESS_BLOCK) return { target: 'account', bucket: NAMES_NO_BUCKET }
  if (!request.rawPath.startsWith(TAGS)) {
    throw s3Error('NotImplemented', {
      message: "Of the S3 Control API this server has the account's public access block and the tags of buckets.",
    })
  }
  return { target: 'tags', bucket: bucketOfArn(decodeArn(request.rawPath.slice(TAGS.length))) }
}

function decodeArn(rawArn: string): string {
  try {
    return decodeURIComponent(rawArn)
  } catch (cause) {
    throw s3Error('InvalidURI', { cause })
  }
}

/** Access points, access grants and Storage Lens groups have tags at AWS; here there are none of them. */
function bucketOfArn(arn: string): string {
  if (arn.length > ARN_CHARS_MAX || !S3_ARN.test(arn)) {
    throw s3Error('InvalidRequest', { message: 'The specified resource ARN is not valid.' })
  }
  const bucket = BUCKET_ARN.exec(arn)?.[1]
  if (bucket === undefined || bucket.includes('\0')) throw s3Error('NoSuchResource')
  return bucket
}
