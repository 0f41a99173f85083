/** `2026-11-23T16:03:57.000Z`: as S3 shows times in XML. */
export function iso8601(atMs: number): string {
  return new Date(atMs).toISOString()
}

/** `Mon, 23 Nov 2026 16:03:57 GMT` (RFC 9110, section 5.6.7). */
export function httpDate(atMs: number): string {
  return new Date(atMs).toUTCString()
}
