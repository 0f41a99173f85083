import type { IncomingMessage, ServerResponse } from 'node:http'
import { TLSSocket } from 'node:tls'
import type { LocatedRequest } from '../requests.ts'

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const METHOD_PARTS: Readonly<Record<string, string>> = { service: 'SERVICE', bucket: 'BUCKET', object: 'OBJECT' }
/** No request may make a line as long as it likes. */
const TEXT_CHARS_MAX = 4096

/** What is known of an exchange when its response is closed. */
interface Closed {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly error: string | undefined
  readonly endedAtMs: number
}

/**
 * A line of a server access log (S3 User Guide, "Amazon S3 server access log format"), without its line end. What Coffer does not
 * know is `-`.
 */
export function accessLogLine(located: LocatedRequest, { request, response, error, endedAtMs }: Closed): string {
  const { bucket, principal, parsed, authentication, requestId, receivedAtMs, sourceIp } = located
  const target = parsed.key !== '' ? 'object' : parsed.bucket !== '' ? 'bucket' : 'service'
  const sent = response.getHeader('content-length')
  const tookMs = endedAtMs - receivedAtMs
  const socket = request.socket instanceof TLSSocket ? request.socket : undefined
  const { kind } = authentication
  return [
    bucket?.record.ownerAccountId ?? '-',
    parsed.bucket,
    `[${logTime(receivedAtMs)}]`,
    sourceIp || '-',
    principal === 'anonymous' ? '-' : principal.arn,
    requestId,
    `REST.${parsed.method}.${METHOD_PARTS[target]}`,
    column(parsed.key),
    quoted(`${parsed.method} ${request.url ?? ''} HTTP/${request.httpVersion}`),
    String(response.statusCode),
    error ?? '-',
    parsed.method === 'HEAD' || sent === undefined ? '-' : String(sent),
    '-',
    String(tookMs),
    '-',
    quoted(request.headers.referer),
    quoted(request.headers['user-agent']),
    column(parsed.query.get('versionId')),
    'coffer',
    kind === 'anonymous' ? '-' : kind === 'v2' ? 'SigV2' : 'SigV4',
    socket?.getCipher()?.name ?? '-',
    kind === 'anonymous' ? '-' : kind === 'presigned' ? 'QueryString' : 'AuthHeader',
    column(request.headers.host),
    socket?.getProtocol() ?? '-',
    '-',
    '-',
  ].join(' ')
}

/** Without quotes: nothing in it may end the column, let alone the line. */
function column(text: string | undefined): string {
  return text === undefined || text === '' ? '-' : encodeURI(text.slice(0, TEXT_CHARS_MAX).toWellFormed())
}

function quoted(text: string | undefined): string {
  if (text === undefined || text === '') return '"-"'
  return `"${text.slice(0, TEXT_CHARS_MAX).replaceAll(/["\\\p{Cc}]/gu, (character) => encodeURIComponent(character))}"`
}

/** `06/Feb/2019:00:00:38 +0000`. */
function logTime(atMs: number): string {
  const at = new Date(atMs)
  const two = (value: number) => String(value).padStart(2, '0')
  const day = `${two(at.getUTCDate())}/${MONTHS[at.getUTCMonth()]}/${at.getUTCFullYear()}`
  return `${day}:${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())} +0000`
}
