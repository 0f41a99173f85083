/** RFC 2047, section 2: an encoded word has at most 75 characters; these bytes are 60 of base64, with 12 around them. */
const WORD_BYTES_MAX = 45
const ASCII = /^[\x20-\x7e]*$/

/**
 * A header value as S3 gives back user metadata (S3 User Guide, "User-defined object metadata"): US-ASCII as it is, anything
 * else in encoded words of RFC 2047. `value` has one character for each byte that the client sent, as node:http has it; the
 * bytes are read as UTF-8, or as ISO 8859-1 if they are none.
 */
export function toEncodedWords(value: string): string {
  if (ASCII.test(value)) return value
  const words: string[] = []
  let word = ''
  for (const character of textOf(value)) {
    if (Buffer.byteLength(word + character) > WORD_BYTES_MAX) {
      words.push(word)
      word = ''
    }
    word += character
  }
  // Space between encoded words is not part of the text: RFC 2047, section 6.2.
  return [...words, word].map((text) => `=?UTF-8?B?${Buffer.from(text).toString('base64')}?=`).join(' ')
}

function textOf(value: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(value, 'latin1'))
  } catch {
    return value
  }
}
