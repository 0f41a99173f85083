const DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/'

const SPECIAL = /[&<>"'\r\n\t]/
const SPECIALS = /[&<>"'\r\n\t]/g
/** XML 1.0, section 2.2, turned round: what no document may hold, not even as a reference (lone surrogates among it). */
const FORBIDDEN = /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/u
const FORBIDDEN_ALL = new RegExp(FORBIDDEN, 'gu')

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '\r': '&#13;',
  '\n': '&#10;',
  '\t': '&#9;',
}

/**
 * Text as XML content. What XML 1.0 cannot hold is written as the reference that S3 writes for it (`&#x1;`), which clients
 * read; `encoding-type=url` is the clean way for such keys.
 */
export function escapeXml(text: string): string {
  const escaped = SPECIAL.test(text) ? text.replaceAll(SPECIALS, (mark) => ESCAPES[mark] ?? mark) : text
  return FORBIDDEN.test(escaped)
    ? escaped.replaceAll(FORBIDDEN_ALL, (mark) => `&#x${mark.charCodeAt(0).toString(16)};`)
    : escaped
}

/** `<name>text</name>`, or nothing where there is no value. */
export function element(name: string, value: string | number | boolean | undefined): string {
  if (value === undefined) return ''
  return `<${name}>${typeof value === 'string' ? escapeXml(value) : value}</${name}>`
}

/** A whole document in S3's namespace. */
export function xmlDocument(root: string, content: string): string {
  return `${DECLARATION}<${root} xmlns="${NAMESPACE}">${content}</${root}>`
}

/** S3's error documents have no namespace. */
export function plainDocument(root: string, content: string): string {
  return `${DECLARATION}<${root}>${content}</${root}>`
}

/** `encoding-type=url`: as S3 encodes names in listings; a slash stays. */
export function urlEncode(text: string): string {
  return encodeURIComponent(text.isWellFormed() ? text : text.toWellFormed())
    .replaceAll('%2F', '/')
    .replaceAll(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+')
}
