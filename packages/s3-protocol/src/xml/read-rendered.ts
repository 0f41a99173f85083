import type { XmlElement } from './parse-xml.ts'

const TOKENS = /<\?[^>]*\?>|<(\/?)([A-Za-z]+)[^>]*>|([^<]+)/g
const REFERENCES = /&(?:#x([0-9a-f]+)|#(\d+)|(amp|lt|gt|quot|apos));/g
const NAMED: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

/**
 * For tests: reads what our renderers write the way lenient S3 clients do, references to control characters included. A reader
 * of its own, so that a mistake of the escaping is not undone by the same mistake.
 */
export function readRendered(document: string): XmlElement {
  const root = { name: '', text: '', children: [] as XmlElement[] }
  const open = [root]
  for (const [, closing, name, text] of document.matchAll(TOKENS)) {
    const element = open.at(-1)
    if (element === undefined) throw new Error('more elements closed than opened')
    if (text !== undefined) element.text += unescapeXml(text)
    else if (closing === '/') open.pop()
    else if (name !== undefined) {
      const child = { name, text: '', children: [] }
      element.children.push(child)
      open.push(child)
    }
  }
  const [first] = root.children
  if (first === undefined || open.length !== 1) throw new Error('not one document')
  return first
}

/** The texts of all elements of this name, in the order of the document. */
export function textsOf(element: XmlElement, name: string): string[] {
  return element.children.flatMap((child) => [...(child.name === name ? [child.text] : []), ...textsOf(child, name)])
}

function unescapeXml(text: string): string {
  return text.replaceAll(REFERENCES, (_, hex?: string, decimal?: string, named?: string) =>
    named !== undefined
      ? (NAMED[named] ?? '')
      : String.fromCodePoint(hex !== undefined ? Number.parseInt(hex, 16) : Number(decimal)),
  )
}
