import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { inPieces } from './in-pieces.ts'

async function* batchesOf(bytes: Buffer, cuts: readonly number[]) {
  const at = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length].sort((a, b) => a - b)
  for (let index = 1; index < at.length; index += 1) yield [bytes.subarray(at[index - 1], at[index])]
}

test('a stream comes out in pieces of the sizes, whatever the batches that it comes in', async () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 8 })
  await fc.assert(
    fc.asyncProperty(sizes, fc.array(fc.nat({ max: 400 })), async (wanted, cuts) => {
      const bytes = randomBytes(wanted.reduce((sum, size) => sum + size, 0))
      const pieces: Buffer[] = []
      for await (const piece of inPieces(batchesOf(bytes, cuts), wanted)) pieces.push(piece)
      expect(pieces.map(({ length }) => length)).toEqual(wanted)
      expect(Buffer.concat(pieces).equals(bytes)).toBe(true)
    }),
  )
})

test('nothing is one piece of nothing; a stream of another length than its sizes is refused', async () => {
  const piecesOf = async (bytes: Buffer, sizes: readonly number[]) => {
    const pieces: Buffer[] = []
    for await (const piece of inPieces(batchesOf(bytes, []), sizes)) pieces.push(piece)
    return pieces
  }
  expect(await piecesOf(Buffer.alloc(0), [0])).toEqual([Buffer.alloc(0)])
  await expect(piecesOf(Buffer.alloc(3), [2])).rejects.toThrow()
  await expect(piecesOf(Buffer.alloc(3), [2, 2])).rejects.toThrow()
})
