/** An escaped character, another one of a value or type, or what separates one from the next (RFC 4514, section 3; `;` of RFC 2253). */
const PIECES = /(?:\\.?|[^\\,+;])+|[,+;]/gsu

/**
 * A distinguished name in the one form that rules and policies compare: lower case, no spaces around separators. Directories compare names
 * regardless of both (RFC 4517, section 4.2.15). Spaces within a value are part of it, those around a further `=` as well, and so are escaped ones.
 */
export function normalName(dn: string): string {
  const pieces = dn.toLowerCase().match(PIECES) ?? []
  return pieces.map((piece) => attribute(piece)).join('')
}

/** `type = value`: the first `=` separates them; a separator, or what is no name, as it is. */
function attribute(piece: string): string {
  const at = piece.indexOf('=')
  if (at < 0) return trimmed(piece)
  return `${trimmed(piece.slice(0, at))}=${trimmed(piece.slice(at + 1))}`
}

function trimmed(text: string): string {
  let end = text.length
  while (end > 0 && text[end - 1] === ' ' && !isEscaped(text, end - 1)) end--
  return text.slice(0, end).trimStart()
}

function isEscaped(text: string, index: number): boolean {
  let backslashes = 0
  while (text[index - 1 - backslashes] === '\\') backslashes++
  return backslashes % 2 === 1
}
