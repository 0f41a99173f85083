import { randomInt } from 'node:crypto'

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
const CHARS = 17
/** IAM User Guide, "Unique identifiers": by them, whoever has a name now is told from who had it once. */
const PREFIXES = { user: 'AIDA', group: 'AGPA', role: 'AROA', policy: 'ANPA' } as const

export function newEntityId(kind: keyof typeof PREFIXES): string {
  let id: string = PREFIXES[kind]
  for (let count = 0; count < CHARS; count++) id += ALPHABET[randomInt(ALPHABET.length)]
  return id
}
