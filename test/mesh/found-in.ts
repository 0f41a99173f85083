/** The names of those needles (of four bytes at least) that are anywhere in the bytes. One pass, however many there are. */
export function foundIn(bytes: Buffer, needles: ReadonlyMap<string, Buffer>): string[] {
  const byStart = new Map<number, [string, Buffer][]>()
  for (const [name, needle] of needles) {
    const start = needle.readUInt32BE(0)
    byStart.set(start, [...(byStart.get(start) ?? []), [name, needle]])
  }
  const found = new Set<string>()
  let window = 0
  for (const [index, byte] of bytes.entries()) {
    window = ((window << 8) | byte) >>> 0
    for (const [name, needle] of byStart.get(window) ?? []) {
      const at = index - 3
      if (bytes.subarray(at, at + needle.length).equals(needle)) found.add(name)
    }
  }
  return [...found]
}
