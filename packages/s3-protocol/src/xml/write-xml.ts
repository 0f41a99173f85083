const DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/'
const CONTROL_NAMESPACE = 'http://awss3control.amazonaws.com/doc/2018-08-20/'

/** What must not stand in a document as it is; most names have nothing of it, so one test is all that they cost. */
const UNSAFE = /[^ !#-%(-;=?-~\u{a0}-\u{2027}\u{202a}-\u{d7ff}\u{e000}-\u{fffd}]/u
const UNSAFE_ALL = new RegExp(UNSAFE, 'gu')

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}
const FIRST_ASTRAL = 0x1_0000

/**
 * Text as XML content. Line ends and control characters are written as references, which a parser gives back unchanged (XML
 * 1.0, section 2.11). Those that XML 1.0 can't hold (section 2.2) are written as S3 writes them (`&#x1;`): many clients read
 * that, `encoding-type=url` is the clean way. A lone surrogate, which no UTF-8 has, becomes U+FFFD.
 */
export function escapeXml(text: string): string {
  return UNSAFE.test(text) ? text.toWellFormed().replaceAll(UNSAFE_ALL, reference) : text
}

function reference(character: string): string {
  const code = character.codePointAt(0) ?? 0
  return ESCAPES[character] ?? (code >= FIRST_ASTRAL ? character : `&#x${code.toString(16)};`)
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

/** The same in the namespace of the S3 Control API. */
export function controlDocument(root: string, content: string): string {
  return `${DECLARATION}<${root} xmlns="${CONTROL_NAMESPACE}">${content}</${root}>`
}

/** S3's error documents have no namespace. */
export function plainDocument(root: string, content: string): string {
  return `${DECLARATION}<${root}>${content}</${root}>`
}

const PLAIN_NAME = /^[\w./~-]*$/
/** What encodeURI leaves and a form field does not. */
const NOT_OF_FORMS = /[!#$&'()*+,:;=?@]/g

/**
 * `encoding-type=url`: as S3 encodes names in listings, all but unreserved characters and the slash. A space is `%20`, which
 * clients that decode form fields (`+`) and those that decode plain URLs read alike.
 */
export function urlEncode(text: string): string {
  if (PLAIN_NAME.test(text)) return text
  return encodeURI(text.toWellFormed()).replaceAll(
    NOT_OF_FORMS,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
