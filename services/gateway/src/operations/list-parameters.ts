import { type ParsedRequest, s3Error } from '@coffer/s3-protocol'

/** S3 API: a page has at most 1,000 entries, whatever the client asks for. */
const PAGE_ENTRIES_MAX = 1000

/** `max-keys` and its kin: 0 to 1,000; larger is 1,000; anything else is InvalidArgument. */
export function pageLimitOf(request: ParsedRequest, name: string): number {
  const text = request.query.get(name)
  if (text === undefined || text === '') return PAGE_ENTRIES_MAX
  const number = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (!(number <= 2_147_483_647)) {
    throw s3Error('InvalidArgument', {
      message: `Provided ${name} not an integer or within integer range`,
      details: { ArgumentName: name, ArgumentValue: text },
    })
  }
  return Math.min(number, PAGE_ENTRIES_MAX)
}

/** `encoding-type`: only `url` exists, the empty one does not either. */
export function encodingTypeOf(request: ParsedRequest): 'url' | undefined {
  const text = request.query.get('encoding-type')
  if (text === undefined) return undefined
  if (text.toLowerCase() === 'url') return 'url'
  throw s3Error('InvalidArgument', {
    message: 'Invalid Encoding Method specified in Request',
    details: { ArgumentName: 'encoding-type', ArgumentValue: text },
  })
}

/**
 * Where a listing with a delimiter goes on: after a marker within a common prefix the prefix as a whole has been passed (recorded of AWS by
 * LocalStack, test_list_objects_marker_common_prefixes and its kin).
 */
export function passedMarker(marker: string, prefix: string, delimiter: string): string {
  if (delimiter === '' || !marker.startsWith(prefix)) return marker
  const endAt = marker.indexOf(delimiter, prefix.length)
  return endAt === -1 ? marker : marker.slice(0, endAt + delimiter.length)
}
