import { element } from './write-xml.ts'

/** An account as S3 shows it. */
export interface Owner {
  /** The canonical id. */
  readonly id: string
  readonly displayName: string
}

let last: { name: string; owner: Owner; text: string } | undefined

/** An owner element, or nothing. The last one is kept: a page names one owner a thousand times. */
export function ownerElement(name: 'Owner' | 'Initiator', owner: Owner | undefined): string {
  if (owner === undefined) return ''
  if (last?.owner !== owner || last.name !== name) {
    const text = `<${name}>${element('ID', owner.id)}${element('DisplayName', owner.displayName)}</${name}>`
    last = { name, owner, text }
  }
  return last.text
}
