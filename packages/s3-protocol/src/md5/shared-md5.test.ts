import { createHash, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { instantiateMd5 } from './md5-module.ts'
import { type Md5Message, SharedMd5 } from './shared-md5.ts'

const shared = SharedMd5.make()
const begin = () => {
  const message = shared?.begin()
  if (message === undefined) throw new Error('all places are taken')
  return message
}
const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex')

const BATCHES = 16
/** What a read of a socket brings; four of them are a batch of an upload. */
const PIECE = Buffer.alloc(64 * 1024, 1)

/** Messages of a digest of their own that counts the blocks which are digested together (of both) and alone. */
function countingMessages(count: number) {
  const module = instantiateMd5(16 * 1024 * 1024)
  if (module === undefined) throw new Error('there is no WebAssembly')
  const { memory, digestOne, digestTwo } = module
  const blocks = { together: 0, alone: 0 }
  const counting = new SharedMd5({
    memory,
    digestOne(state, address, blockCount) {
      blocks.alone += blockCount
      digestOne(state, address, blockCount)
    },
    digestTwo(state, address, otherState, otherAddress, blockCount) {
      blocks.together += 2 * blockCount
      digestTwo(state, address, otherState, otherAddress, blockCount)
    },
  })
  const messages = Array.from({ length: count }, () => counting.begin()).filter((message) => message !== undefined)
  return { messages, blocks }
}

describe('MD5 of several messages at once', () => {
  it.each([
    ['', 'd41d8cd98f00b204e9800998ecf8427e'],
    ['a', '0cc175b9c0f1b6a831c399e269772661'],
    ['abc', '900150983cd24fb0d6963f7d28e17f72'],
    ['message digest', 'f96b697d7cb7938d525a2f31aaf161d0'],
    ['abcdefghijklmnopqrstuvwxyz', 'c3fcd3d76192e4007dfb496cca67e13b'],
    ['ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789', 'd174ab98d277d9f5a5611c2c9f419d9f'],
    ['1234567890'.repeat(8), '57edf4a22be3c955ac49da2e2107b67a'],
  ])('gives what RFC 1321, appendix A.5, gives for %j', (text, expected) => {
    const message = begin()
    message.update(Buffer.from(text))
    expect(message.digest().toString('hex')).toBe(expected)
  })

  it('pads every length around a block as OpenSSL does', () => {
    for (let sizeBytes = 0; sizeBytes <= 130; sizeBytes++) {
      const bytes = randomBytes(sizeBytes)
      const message = begin()
      message.update(bytes)
      expect(message.digest().toString('hex')).toBe(md5(bytes))
    }
  })

  it('is right for messages of any sizes, in any pieces, in any order of arrival', () => {
    const piece = fc.record({ message: fc.nat(5), sizeBytes: fc.oneof(fc.nat(200), fc.nat(400_000)) })
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), fc.array(fc.nat(5)), (pieces, discarded) => {
        const messages = Array.from({ length: 6 }, () => ({ running: begin(), hash: createHash('md5') }))
        for (const { message: index, sizeBytes } of pieces) {
          const bytes = Buffer.alloc(sizeBytes, randomBytes(97))
          messages[index]?.running.update(bytes)
          messages[index]?.hash.update(bytes)
        }
        for (const [index, { running, hash }] of messages.entries()) {
          if (discarded.includes(index)) running.discard()
          else expect(running.digest().equals(hash.digest())).toBe(true)
        }
      }),
      { numRuns: 60 },
    )
  })

  it.each([2, 3, 4])('digests %i uploads two at a time, though each brings a batch while the others wait', (count) => {
    const { messages, blocks } = countingMessages(count)
    for (let batch = 0; batch < BATCHES; batch++) {
      for (const message of messages) for (let piece = 0; piece < 4; piece++) message.update(PIECE)
    }
    for (const message of messages) message.digest()
    expect(blocks.together + blocks.alone).toBeGreaterThanOrEqual((count * BATCHES * 4 * PIECE.length) / 64)
    expect(blocks.alone).toBeLessThan(blocks.together / 10)
  })

  it('digests a slow upload with what a fast one has', () => {
    const { messages, blocks } = countingMessages(2)
    const [slow, fast] = messages
    for (let batch = 0; batch < BATCHES; batch++) {
      for (let piece = 0; piece < 4; piece++) fast?.update(PIECE)
      slow?.update(PIECE)
    }
    const slowBlocks = (BATCHES * PIECE.length) / 64
    expect(blocks.together).toBeGreaterThan(2 * slowBlocks * 0.9)
  })

  it('digests a message that is longer than 32 bits count in bits', () => {
    const chunk = randomBytes(1024 * 1024)
    const [message, hash] = [begin(), createHash('md5')]
    for (let index = 0; index < 513; index++) {
      message.update(chunk)
      hash.update(chunk)
    }
    expect(message.digest().equals(hash.digest())).toBe(true)
  })

  it('does not see what its caller writes into the bytes afterwards', () => {
    const bytes = randomBytes(1000)
    const expected = md5(bytes)
    const message = begin()
    message.update(bytes)
    bytes.fill(0)
    expect(message.digest().toString('hex')).toBe(expected)
  })

  it('has no place when all are taken, and has one again when a message ends or is given up', () => {
    const messages: Md5Message[] = []
    for (let message = shared?.begin(); message !== undefined; message = shared?.begin()) messages.push(message)
    expect(messages.length).toBeGreaterThan(1)
    messages.pop()?.digest()
    messages.push(begin())
    messages.pop()?.discard()
    messages.push(begin())
    for (const message of messages) message.discard()
    expect(() => messages[0]?.digest()).toThrow('has ended')
  })
})
