import { invalidArgument } from './errors.ts'
import { assertKey } from './request.ts'

/** What RenameObject is told in headers (S3 API, RenameObject). */
export interface RenameRequest {
  readonly sourceKey: string
  /** So that the same request, sent again, does nothing more. */
  readonly clientToken?: string
}

const SOURCE = 'x-amz-rename-source'
const TOKEN = 'x-amz-client-token'

/** The source is a key of the same bucket, URL-encoded, with or without a slash before it. InvalidArgument, KeyTooLongError. */
export function parseRename(headers: Readonly<Record<string, string | undefined>>): RenameRequest {
  const encoded = headers[SOURCE] ?? ''
  const sourceKey = decode(encoded).replace(/^\//, '')
  if (sourceKey === '') throw invalidArgument(SOURCE, encoded, 'The source of a rename must be a key.')
  assertKey(sourceKey)
  const clientToken = headers[TOKEN]
  if (clientToken === undefined) return { sourceKey }
  if (!/^[\x21-\x7e]{1,64}$/.test(clientToken)) {
    throw invalidArgument(TOKEN, clientToken.slice(0, 100), 'A client token has 1 to 64 visible ASCII characters.')
  }
  return { sourceKey, clientToken }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw invalidArgument(SOURCE, text.slice(0, 100), 'The source of a rename must be URL-encoded.')
  }
}
