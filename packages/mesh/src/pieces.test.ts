import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cutIntoPieces, MESSAGE_BYTES_MAX, PIECE_BYTES_MAX, PieceJoiner } from './pieces.ts'

describe('pieces of large messages', () => {
  it('leave small messages alone', () => {
    const message = Buffer.from([0xb9, 1, 2])
    expect(cutIntoPieces(message)).toEqual([message])
    expect(new PieceJoiner().add(message)).toBe(message)
  })

  it('give the message back, in whatever order they arrive, mixed with those of others', () => {
    const sizes = fc.integer({ min: PIECE_BYTES_MAX + 1, max: 3 * PIECE_BYTES_MAX + 7 })
    fc.assert(
      fc.property(sizes, sizes, fc.infiniteStream(fc.nat()), (firstBytes, secondBytes, order) => {
        const messages = [randomBytes(firstBytes), randomBytes(secondBytes)]
        const pieces = messages
          .flatMap((message) => cutIntoPieces(message))
          .map((piece) => ({ piece, at: order.next().value }))
          .sort((one, other) => one.at - other.at)
        const joiner = new PieceJoiner()
        const joined = pieces.map(({ piece }) => joiner.add(piece)).filter((message) => message !== undefined)
        expect(joined).toHaveLength(2)
        for (const message of messages) expect(joined.some((one) => one.equals(message))).toBe(true)
        expect(joiner.heldBytes).toBe(0)
      }),
      { numRuns: 20 },
    )
  })

  it('are as small as NATS takes them', () => {
    for (const piece of cutIntoPieces(randomBytes(5 * PIECE_BYTES_MAX + 1))) {
      expect(piece.length).toBeLessThan(1024 * 1024)
    }
  })

  it('that are malformed or come twice make no message', () => {
    const joiner = new PieceJoiner()
    const [first, second] = cutIntoPieces(randomBytes(PIECE_BYTES_MAX + 1))
    if (first === undefined || second === undefined) throw new Error('two pieces')
    const beyond = Buffer.from(second)
    beyond.writeUInt32BE(2, 17)
    const tooMany = Buffer.from(second)
    tooMany.writeUInt32BE(0xffff_ffff, 21)
    const otherCount = Buffer.from(second)
    otherCount.writeUInt32BE(3, 21)
    for (const piece of [first, first, beyond, tooMany, otherCount, Buffer.from([0xff]), first.subarray(0, 24)]) {
      expect(joiner.add(piece)).toBeUndefined()
    }
    expect(joiner.heldBytes).toBe(PIECE_BYTES_MAX)
    expect(joiner.add(second)).toHaveLength(PIECE_BYTES_MAX + 1)
  })

  it('of messages that never end are dropped after a while', () => {
    let nowMs = 0
    const joiner = new PieceJoiner(() => nowMs)
    const firstPiece = () => cutIntoPieces(randomBytes(PIECE_BYTES_MAX + 1))[0] ?? Buffer.alloc(0)
    joiner.add(firstPiece())
    joiner.add(firstPiece())
    expect(joiner.heldBytes).toBe(2 * PIECE_BYTES_MAX)
    nowMs += 60_000
    joiner.add(firstPiece())
    expect(joiner.heldBytes).toBe(PIECE_BYTES_MAX)
  })

  it('of messages that never end take a bounded room', () => {
    const joiner = new PieceJoiner(() => 0)
    const [piece] = cutIntoPieces(Buffer.alloc(PIECE_BYTES_MAX + 1))
    if (piece === undefined) throw new Error('a piece')
    for (let number = 0; number < 600; number++) {
      piece.writeUInt32BE(number, 1)
      joiner.add(piece)
    }
    expect(joiner.heldBytes).toBeLessThanOrEqual(4 * MESSAGE_BYTES_MAX)
  })
})
