import { s3Error } from '../errors.ts'
import type { ParsedRequest } from '../request.ts'

/** What the signature itself needs in a presigned URL (S3 API, "Authenticating requests: using query parameters"). */
const OF_SIGNATURE: ReadonlySet<string> = new Set([
  'x-amz-algorithm',
  'x-amz-content-sha256',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-expires',
  'x-amz-security-token',
  'x-amz-signature',
  'x-amz-signedheaders',
])

/** Headers without that prefix which some SDKs move too, and AWS minds there. */
const CONDITIONS: ReadonlySet<string> = new Set(['if-match', 'if-none-match'])

/**
 * A presigned request whose x-amz- query parameters, and conditions, count as the headers that they stand for: SDKs move metadata,
 * checksums and encryption there when they presign. A condition that is passed over would be a write that nobody wanted. Only for a request whose signature, which covers the query, has been verified.
 * InvalidRequest where a header says otherwise, or where one would have made it another operation.
 */
export function withSignedParameters(request: ParsedRequest): ParsedRequest {
  const moved: Record<string, string> = {}
  for (const [parameter, value] of request.query) {
    const name = parameter.toLowerCase()
    if (!(name.startsWith('x-amz-') || CONDITIONS.has(name)) || OF_SIGNATURE.has(name)) continue
    const before = moved[name] ?? request.headers[name]
    if (name === 'x-amz-copy-source' || (before !== undefined && before !== value)) {
      throw s3Error('InvalidRequest', { message: `The query parameter ${name} cannot be used in this request.` })
    }
    moved[name] = value
  }
  return Object.keys(moved).length === 0 ? request : { ...request, headers: { ...request.headers, ...moved } }
}
