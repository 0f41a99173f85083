import { open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { Secret } from '@coffer/crypto-core'
import { isCofferError } from '@coffer/errors'
import { cofferError } from './errors.ts'

const KEY_SIZE_BYTES = 32
const INPUT_SIZE_BYTES_MAX = 4096
/** 32 bytes in base64 with padding (RFC 4648, section 4), and nothing else but white space around it. */
const BASE64_FORM = /^\s*([A-Za-z0-9+/]{43}=)\s*$/
const PRINTABLE = /^[\t\n\r\x20-\x7e]*$/

/** A 256-bit key from a file: 32 bytes, or their base64. COFFER_KEY_MATERIAL_INVALID. */
export async function readKeyMaterialFile(path: string): Promise<Secret> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw cofferError('COFFER_KEY_MATERIAL_INVALID', `cannot read ${path}`, { path }, { cause })
  })
  // Closes the file.
  return await readKeyMaterial(file.createReadStream(), path)
}

/** The same from a stream, such as the standard input; `origin` is for people. COFFER_KEY_MATERIAL_INVALID. */
export async function readKeyMaterial(input: Readable, origin: string): Promise<Secret> {
  const pieces: Buffer[] = []
  let sizeBytes = 0
  try {
    for await (const piece of input) {
      pieces.push(piece)
      sizeBytes += piece.length
      if (sizeBytes > INPUT_SIZE_BYTES_MAX) break
    }
    const bytes = Buffer.concat(pieces)
    pieces.push(bytes)
    return keyIn(bytes, origin)
  } catch (cause) {
    if (isCofferError(cause)) throw cause
    throw cofferError('COFFER_KEY_MATERIAL_INVALID', `cannot read ${origin}`, {}, { cause })
  } finally {
    for (const piece of pieces) piece.fill(0)
  }
}

function keyIn(bytes: Buffer, origin: string): Secret {
  const text = bytes.toString('latin1')
  const encoded = BASE64_FORM.exec(text)?.[1]
  const decoded = Buffer.from(encoded ?? '', 'base64')
  // Base64 whose unused bits are not zero is two spellings of one key: a typing error rather than a key.
  if (decoded.length === KEY_SIZE_BYTES && decoded.toString('base64') === encoded) return Secret.take(decoded)
  // 32 characters are a password, or half a key in hexadecimal; 32 random bytes are never all printable.
  if (bytes.length === KEY_SIZE_BYTES && !PRINTABLE.test(text)) return Secret.copyOf(bytes)
  throw cofferError('COFFER_KEY_MATERIAL_INVALID', `${origin} holds neither 32 bytes nor 32 bytes in base64`)
}
