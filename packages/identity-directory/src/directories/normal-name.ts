/**
 * A distinguished name in the one form that rules and policies compare: lower case, no spaces around separators. Directories compare names
 * regardless of both (RFC 4517, section 4.2.15).
 */
export function normalName(dn: string): string {
  return dn
    .trim()
    .toLowerCase()
    .replaceAll(/(?<!\\)\s*([,+=;])\s*/g, '$1')
}
