import { SaxesParser } from '@rubensworks/saxes'
import { s3Error } from '../errors.ts'

/** An element: its local name, its text, its children in order. */
export interface XmlElement {
  readonly name: string
  readonly text: string
  readonly children: readonly XmlElement[]
}

const DEPTH_MAX = 16
const ELEMENTS_MAX = 100_000
/** Bytes are always read as UTF-8: a document that says otherwise would be misread. */
const UTF8_NAMES = ['utf-8', 'utf8', 'us-ascii']

interface Building {
  readonly name: string
  text: string
  readonly children: Building[]
}

/**
 * Parses a document strictly (XML 1.0, namespaces): MalformedXML for anything that is not well-formed, a document type, an
 * entity beyond the five, text beside elements, another encoding than UTF-8, too deep nesting, too many elements, or another
 * root than `root`. No entity is ever expanded from the document. Attributes are read and dropped. The caller bounds the size;
 * the time is linear in it.
 */
export function parseXml(bytes: Uint8Array, root: string): XmlElement {
  const parser = new SaxesParser({ xmlns: true })
  const open: Building[] = []
  let document: Building | undefined
  let elements = 0
  parser.on('error', (cause) => {
    throw s3Error('MalformedXML', { cause })
  })
  parser.on('doctype', () => {
    throw s3Error('MalformedXML')
  })
  parser.on('opentag', (tag) => {
    const element: Building = { name: tag.local, text: '', children: [] }
    open.at(-1)?.children.push(element)
    document ??= element
    open.push(element)
    elements++
    if (open.length > DEPTH_MAX || elements > ELEMENTS_MAX) throw s3Error('MalformedXML')
  })
  parser.on('closetag', () => {
    const element = open.pop()
    if (element && element.children.length > 0 && element.text.trim() !== '') throw s3Error('MalformedXML')
  })
  const addText = (text: string) => {
    const element = open.at(-1)
    if (element !== undefined) element.text += text
  }
  parser.on('text', addText)
  parser.on('cdata', addText)
  parser.write(decodeUtf8(bytes))
  // Read here, not in a handler: a seventh one puts the parser object into V8's dictionary form, four times slower.
  const { encoding = 'utf-8' } = parser.xmlDecl
  parser.close()
  if (!UTF8_NAMES.includes(encoding.toLowerCase())) throw s3Error('MalformedXML')
  if (document === undefined || document.name !== root) throw s3Error('MalformedXML')
  return document
}

function decodeUtf8(bytes: Uint8Array): string {
  if (bytes.length === 0) throw s3Error('MissingRequestBodyError')
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw s3Error('MalformedXML', { cause })
  }
}

/** The children, all of them known by name; MalformedXML else: what is not understood is not passed over. */
export function knownChildren(element: XmlElement, names: readonly string[]): readonly XmlElement[] {
  if (!element.children.every(({ name }) => names.includes(name))) throw s3Error('MalformedXML')
  return element.children
}

/** The one child of this name; MalformedXML if there are more. */
export function findChild(element: XmlElement, name: string): XmlElement | undefined {
  const [child, another] = element.children.filter((one) => one.name === name)
  if (another !== undefined) throw s3Error('MalformedXML')
  return child
}

/** The text of the one child of this name, untouched. */
export function findText(element: XmlElement, name: string): string | undefined {
  return findChild(element, name)?.text
}

/** The xs:boolean of the one child of this name; MalformedXML if it is none. */
export function findBoolean(element: XmlElement, name: string): boolean | undefined {
  const text = findText(element, name)?.trim()
  if (text === undefined) return undefined
  if (text === 'true' || text === '1') return true
  if (text === 'false' || text === '0') return false
  throw s3Error('MalformedXML')
}
