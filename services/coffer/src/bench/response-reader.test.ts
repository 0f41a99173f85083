import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type LoadResponse, ResponseReader } from './response-reader.ts'

/** Feeds the bytes in pieces cut at `cuts`, from a buffer that is overwritten after each, as a socket's is. */
function readInPieces(bytes: Buffer, cuts: readonly number[], keepsBody = true): LoadResponse | undefined {
  const reader = new ResponseReader()
  reader.expect(keepsBody)
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b)
  const shared = Buffer.alloc(bytes.length)
  let response: LoadResponse | undefined
  let start = 0
  for (const end of [...ends, bytes.length]) {
    const sizeBytes = bytes.copy(shared, 0, start, end)
    if (sizeBytes > 0) response = reader.push(shared.subarray(0, sizeBytes)) ?? response
    shared.fill(0x21)
    start = end
  }
  return response ?? reader.end()
}

const anyCuts = fc.array(fc.nat(5000), { maxLength: 12 })
const anyBody = fc.string({ maxLength: 400, unit: 'grapheme-ascii' })

describe('a response in any pieces', () => {
  test('with a length is read to its end', () => {
    fc.assert(
      fc.property(anyBody, anyCuts, (body, cuts) => {
        const bytes = Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nETag: "x"\r\n\r\n${body}`)
        const expected = { status: 200, bodySizeBytes: body.length, body, keepsAlive: true }
        expect(readInPieces(bytes, cuts)).toEqual(expected)
      }),
    )
  })

  test('in chunks is read without the framing', () => {
    fc.assert(
      fc.property(fc.array(anyBody, { maxLength: 5 }), anyCuts, (parts, cuts) => {
        const chunks = parts.filter((part) => part !== '')
        const framed = chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('')
        const bytes = Buffer.from(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${framed}0\r\n\r\n`)
        const body = chunks.join('')
        expect(readInPieces(bytes, cuts)).toEqual({ status: 200, bodySizeBytes: body.length, body, keepsAlive: true })
      }),
    )
  })

  test('without a length ends with the connection', () => {
    fc.assert(
      fc.property(anyBody, anyCuts, (body, cuts) => {
        const bytes = Buffer.from(`HTTP/1.1 500 Oops\r\nserver: x\r\n\r\n${body}`)
        const expected = { status: 500, bodySizeBytes: body.length, body, keepsAlive: false }
        expect(readInPieces(bytes, cuts)).toEqual(expected)
      }),
    )
  })
})

test('a body is counted, and kept only for errors or on request', () => {
  const answer = (status: number) => Buffer.from(`HTTP/1.1 ${status} X\r\ncontent-length: 4\r\n\r\nabcd`)
  expect(readInPieces(answer(200), [], false)).toMatchObject({ bodySizeBytes: 4, body: '' })
  expect(readInPieces(answer(404), [], false)).toMatchObject({ bodySizeBytes: 4, body: 'abcd' })
})

test('204 has no body, interim responses are passed over, and a closing server is noticed', () => {
  expect(readInPieces(Buffer.from('HTTP/1.1 204 No Content\r\n\r\n'), [])).toMatchObject({
    status: 204,
    keepsAlive: true,
  })
  const interim = Buffer.from(
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n',
  )
  expect(readInPieces(interim, [])).toMatchObject({ status: 200, keepsAlive: false })
})

test('responses follow one another on a connection', () => {
  const reader = new ResponseReader()
  const answer = Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
  expect([reader.push(answer), reader.push(answer)].map((response) => response?.status)).toEqual([200, 200])
})

test.each([
  'SSH-2.0-OpenSSH\r\n\r\n',
  'HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab',
  `HTTP/1.1 200 ${'x'.repeat(70_000)}`,
])('what is no response to one request is refused: %#', (text) => {
  expect(() => readInPieces(Buffer.from(text), [])).toThrow()
})
