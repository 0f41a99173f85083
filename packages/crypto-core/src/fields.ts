const LENGTH_BYTES = 4

/**
 * Encodes a list of values so that two different lists never give the same bytes: each value as its length (u32 BE) and its
 * bytes; text as UTF-8, numbers as decimal text, booleans as `0` and `1`. For additional data and derivation inputs, whose
 * place and type are fixed by the caller. FORMAT.md, section 2.
 */
export function encodeFields(...fields: readonly (string | Uint8Array | number | boolean)[]): Uint8Array {
  const texts = fields.map(asBytesOrText)
  let sizeBytes = 0
  for (const text of texts) sizeBytes += LENGTH_BYTES + byteLength(text)
  const encoded = Buffer.allocUnsafe(sizeBytes)
  let offset = 0
  for (const text of texts) {
    const length =
      typeof text === 'string'
        ? encoded.write(text, offset + LENGTH_BYTES)
        : (encoded.set(text, offset + LENGTH_BYTES), text.length)
    encoded.writeUInt32BE(length, offset)
    offset += LENGTH_BYTES + length
  }
  return encoded
}

/** A context map, keys in the order of their UTF-8 bytes: FORMAT.md, section 2. */
export function encodeContext(context: Readonly<Record<string, string>>): Uint8Array {
  const names = Object.keys(context).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  return encodeFields(...names.flatMap((name) => [name, context[name] ?? '']))
}

function asBytesOrText(field: string | Uint8Array | number | boolean): string | Uint8Array {
  if (typeof field === 'number') return String(field)
  if (typeof field === 'boolean') return field ? '1' : '0'
  return field
}

function byteLength(text: string | Uint8Array): number {
  return typeof text === 'string' ? Buffer.byteLength(text) : text.length
}
