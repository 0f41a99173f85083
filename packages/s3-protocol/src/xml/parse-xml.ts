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

interface Building {
  readonly name: string
  text: string
  readonly children: Building[]
}

/**
 * Parses a document strictly (XML 1.0, namespaces): MalformedXML for anything that is not well-formed, a document type, an
 * entity beyond the five, too deep nesting, or another root than `root`. No entity is ever expanded from the document.
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
    open.pop()
  })
  const addText = (text: string) => {
    const element = open.at(-1)
    if (element !== undefined) element.text += text
  }
  parser.on('text', addText)
  parser.on('cdata', addText)
  parser.write(decodeUtf8(bytes)).close()
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

/** The one child of this name; MalformedXML if there are more. */
export function findChild(element: XmlElement, name: string): XmlElement | undefined {
  const [child, another] = element.children.filter((one) => one.name === name)
  if (another !== undefined) throw s3Error('MalformedXML')
  return child
}

export function findText(element: XmlElement, name: string): string | undefined {
  return findChild(element, name)?.text
}
