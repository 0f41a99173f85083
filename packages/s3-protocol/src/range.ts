import { invalidArgument, s3Error } from './errors.ts'

export interface PlainRange {
  readonly offsetBytes: number
  readonly lengthBytes: number
}

/**
 * A Range header (RFC 9110, section 14.1.2). Undefined, the whole object: none, more than one range, or not understood, as S3
 * answers those. InvalidRange if nothing of it is there.
 */
export function parseRange(header: string | undefined, sizeBytes: number): PlainRange | undefined {
  // No optional space inside, as the grammar has none: runs of it would make the match quadratic.
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/i.exec(header ?? '') ?? []
  if (first === '' && last === '') return undefined
  if (first === '') return suffixRange(Number(last), sizeBytes)
  const firstByte = Number(first)
  const lastByte = last === '' ? sizeBytes - 1 : Number(last)
  if (last !== '' && lastByte < firstByte) return undefined
  if (firstByte >= sizeBytes) throw unsatisfiable(header ?? '', sizeBytes)
  return { offsetBytes: firstByte, lengthBytes: Math.min(lastByte, sizeBytes - 1) - firstByte + 1 }
}

function suffixRange(suffixBytes: number, sizeBytes: number): PlainRange {
  if (suffixBytes === 0 || sizeBytes === 0) throw unsatisfiable(`bytes=-${suffixBytes}`, sizeBytes)
  const lengthBytes = Math.min(suffixBytes, sizeBytes)
  return { offsetBytes: sizeBytes - lengthBytes, lengthBytes }
}

function unsatisfiable(requested: string, sizeBytes: number) {
  return s3Error('InvalidRange', {
    details: { RangeRequested: requested, ActualObjectSize: String(sizeBytes) },
    headers: { 'content-range': `bytes */${sizeBytes}` },
  })
}

/** x-amz-copy-source-range (S3 API, UploadPartCopy): `bytes=first-last`, both inside the source; absent: all of it. */
export function parseCopySourceRange(header: string | undefined, sizeBytes: number): PlainRange {
  if (header === undefined) return { offsetBytes: 0, lengthBytes: sizeBytes }
  const [, first = '', last = ''] = /^bytes=(\d+)-(\d+)$/.exec(header) ?? []
  const [firstByte, lastByte] = [Number(first), Number(last)]
  if (first === '' || lastByte < firstByte) {
    throw invalidArgument(
      'x-amz-copy-source-range',
      header,
      'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy',
    )
  }
  // Recorded by LocalStack of AWS (test_upload_part_copy_range): one that begins past the end is another error than one that ends there.
  if (firstByte >= sizeBytes) {
    throw s3Error('InvalidRequest', { message: 'The specified copy range is invalid for the source object size' })
  }
  if (lastByte >= sizeBytes) {
    throw invalidArgument(
      'x-amz-copy-source-range',
      header,
      `Range specified is not valid for source object of size: ${sizeBytes}`,
    )
  }
  return { offsetBytes: firstByte, lengthBytes: lastByte - firstByte + 1 }
}
