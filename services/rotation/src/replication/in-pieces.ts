import { invariant } from '@coffer/errors'

/** A stream cut into pieces of these sizes, one after the other: it holds as many bytes as they are together. */
export async function* inPieces(
  body: AsyncIterable<readonly Uint8Array[]>,
  sizes: readonly number[],
): AsyncGenerator<Buffer, void> {
  let index = 0
  let piece = Buffer.allocUnsafe(sizes[0] ?? 0)
  let filled = 0
  for await (const batch of body) {
    for (const bytes of batch) {
      for (let taken = 0; taken < bytes.length; ) {
        const count = Math.min(bytes.length - taken, piece.length - filled)
        invariant(count > 0, 'the sizes are those of the whole stream')
        piece.set(bytes.subarray(taken, taken + count), filled)
        taken += count
        filled += count
        if (filled < piece.length) continue
        yield piece
        index += 1
        piece = Buffer.allocUnsafe(sizes[index] ?? 0)
        filled = 0
      }
    }
  }
  invariant(index === sizes.length || (index === 0 && filled === 0), 'the stream is as long as its pieces')
  // An object without bytes is one part without bytes.
  if (index === 0) yield Buffer.alloc(0)
}
