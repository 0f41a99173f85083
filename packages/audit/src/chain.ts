import { hash } from 'node:crypto'
import type { AuditEntry, ChainHead } from './record.ts'

/** What stands for the record before the first. */
export const NO_PREVIOUS = '0'.repeat(64)
export const RECORD_FORMAT = 1

/**
 * The records of one writer in their order: each line has the number after the one before and the SHA-256 of its bytes, so that
 * none can be taken out, changed or moved without all that follow telling of it.
 */
export class AuditChain {
  readonly id: string
  #seq = 0
  #hash = NO_PREVIOUS

  constructor(id: string) {
    this.id = id
  }

  /** The line of JSON, without its end, that the entry becomes. */
  append(entry: AuditEntry): string {
    this.#seq += 1
    const line = JSON.stringify({ v: RECORD_FORMAT, chain: this.id, seq: this.#seq, prev: this.#hash, ...entry })
    this.#hash = lineHash(line)
    return line
  }

  get head(): ChainHead {
    return { chain: this.id, seq: this.#seq, hash: this.#hash }
  }
}

/** SHA-256 of a line's UTF-8 bytes, in hex. */
export function lineHash(line: string): string {
  return hash('sha256', line)
}
