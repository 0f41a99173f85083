/** Smaller ones may be views of a buffer that others share (Node's pool), and are cheap to leave to the collector. */
const FREED_BYTES_MIN = 4096

/**
 * Gives back the memory of bytes that nobody will read again, now and not when the heap is next collected: the next segment
 * finds it warm, and V8 does not mark its whole heap for buffers that are dead (docs/decisions/0014). Only for whoever owns them:
 * what is read from them afterwards is empty.
 */
export function freeBytes(bytes: Uint8Array): void {
  const { buffer, byteLength } = bytes
  const isWhole = byteLength >= FREED_BYTES_MIN && byteLength === buffer.byteLength
  if (isWhole && buffer instanceof ArrayBuffer) buffer.transfer(0)
}
