import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { isCofferError } from '@coffer/errors'
import { describe, expect, it } from 'vitest'
import { PRODUCT_OPENERS, REFERENCE_OPENERS } from './openers.ts'
import {
  applyChange,
  type NegativeVector,
  plainOf,
  sealVector,
  type VectorFile,
  vectorFiles,
  vectorText,
} from './vectors.ts'

const textOf = (name: string): string => readFileSync(new URL(`../vectors/${name}`, import.meta.url), 'utf8')

function changed(file: VectorFile, { of, change }: NegativeVector) {
  const vector = file.positive.find(({ name }) => name === of)
  if (vector === undefined) throw new Error(`no vector ${of}`)
  const sealed = applyChange(sealVector(file.construction, vector), change)
  return { open: { ...vector.open, ...(change.do === 'open-with' && change.parameters) }, sealed }
}

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    return isCofferError(error) ? error.code : String(error)
  }
  return 'opened'
}

describe.each([...vectorFiles().keys()])('%s', (name) => {
  const file = JSON.parse(textOf(name)) as VectorFile
  const { construction } = file
  const product = PRODUCT_OPENERS[construction]
  const reference = REFERENCE_OPENERS[construction]

  it('is what the reference implementation makes today', () => {
    const made = vectorFiles().get(name)
    expect(textOf(name)).toBe(made && vectorText(made))
  })

  it.each(file.positive)('$name opens, with both implementations', (vector) => {
    const sealed = sealVector(construction, vector)
    const expected = vector.sealed
    if (typeof expected === 'string') expect(sealed.toString('hex')).toBe(expected)
    else {
      expect(sealed.length).toBe(expected.sizeBytes)
      expect(createHash('sha256').update(sealed).digest('hex')).toBe(expected.sha256)
    }
    if (product !== undefined) expect(plainOf(vector).equals(product(vector.open, sealed))).toBe(true)
    expect(plainOf(vector).equals(reference?.(vector.open, sealed) ?? Buffer.from('none'))).toBe(true)
  })

  it.each(file.negative)('$name is refused, with its code', (vector) => {
    const { open, sealed } = changed(file, vector)
    if (product !== undefined) expect(codeOf(() => product(open, sealed))).toBe(vector.error)
    expect(codeOf(() => reference?.(open, sealed))).not.toBe('opened')
  })
})
