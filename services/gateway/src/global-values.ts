import type { Exchange } from './exchange.ts'

/**
 * The condition keys that a request to any API has (IAM User Guide, "AWS global condition context keys"), by lower case names. S3
 * has more of them, and reads them from what it has parsed.
 */
export function globalValues(
  { request, secure, receivedAtMs }: Exchange,
  region: string,
): Readonly<Record<string, readonly string[]>> {
  const { 'user-agent': userAgent, referer } = request.headers
  return {
    'aws:sourceip': [request.socket.remoteAddress ?? ''],
    'aws:securetransport': [String(secure)],
    'aws:currenttime': [new Date(receivedAtMs).toISOString()],
    'aws:epochtime': [String(Math.floor(receivedAtMs / 1000))],
    'aws:requestedregion': [region],
    ...(userAgent !== undefined && { 'aws:useragent': [userAgent] }),
    ...(referer !== undefined && { 'aws:referer': [referer] }),
  }
}
