import { createHmac, hash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { ChunkDecoder, type ChunkSeed } from './chunk-decoder.ts'

const SEED: ChunkSeed = {
  signature: 'a'.repeat(64),
  signingKey: Buffer.alloc(32, 7),
  timestamp: '20260102T000500Z',
  scope: '20260102/us-east-1/s3/aws4_request',
}
const EMPTY = hash('sha256', '')

/** As the S3 API says, "Signature calculations: transferring payload in multiple chunks", of the holder of the key. */
class Signer {
  #previous = SEED.signature

  sign(algorithm: string, digests: string): string {
    const text = `${algorithm}\n${SEED.timestamp}\n${SEED.scope}\n${this.#previous}\n${digests}`
    this.#previous = createHmac('sha256', SEED.signingKey).update(text).digest('hex')
    return this.#previous
  }

  chunk(data: string): string {
    const signature = this.sign('AWS4-HMAC-SHA256-PAYLOAD', `${EMPTY}\n${hash('sha256', data)}`)
    return `${data.length.toString(16)};chunk-signature=${signature}\r\n${data && `${data}\r\n`}`
  }

  trailer(lines: readonly string[]): string {
    const digest = hash('sha256', lines.map((line) => `${line}\n`).join(''))
    const signature = this.sign('AWS4-HMAC-SHA256-TRAILER', digest)
    return `${lines.map((line) => `${line}\r\n`).join('')}x-amz-trailer-signature:${signature}\r\n\r\n`
  }
}

const TRAILER = 'x-amz-checksum-crc32:AAAAAA=='

function decode(text: string) {
  const decoder = new ChunkDecoder({ signed: true, seed: SEED })
  const payload = Buffer.concat(decoder.push(Buffer.from(text))).toString()
  return { payload, trailers: Object.fromEntries(decoder.trailers()) }
}

function body() {
  const signer = new Signer()
  const [one, two, end] = [signer.chunk('one'), signer.chunk('two'), signer.chunk('')] as const
  return { one, two, end, trailer: signer.trailer([TRAILER]) }
}

const refused = (code: string) => expect.objectContaining({ code })

describe('a body in signed chunks', () => {
  it('is its payload and its trailing headers', () => {
    const { one, two, end, trailer } = body()
    expect(decode(one + two + end + trailer)).toEqual({
      payload: 'onetwo',
      trailers: { 'x-amz-checksum-crc32': 'AAAAAA==' },
    })
    expect(decode(`${one}${two}${end}\r\n`)).toEqual({ payload: 'onetwo', trailers: {} })
  })

  it.each([
    ['a chunk changed', ({ one, two, end }) => `${one}${two.replace('two', 'TWO')}${end}\r\n`],
    ['two chunks in each other’s place', ({ one, two, end }) => `${two}${one}${end}\r\n`],
    ['a chunk left out', ({ one, end }) => `${one}${end}\r\n`],
    ['a chunk twice', ({ one, two, end }) => `${one}${one}${two}${end}\r\n`],
    ['its end after the first chunk', ({ one }) => `${one}${new Signer().chunk('')}\r\n`],
    [
      'a trailing header changed',
      ({ one, two, end, trailer }) => one + two + end + trailer.replace('AAAAAA', 'BAAAAA'),
    ],
    [
      'a trailing header added',
      ({ one, two, end, trailer }) => `${one}${two}${end}x-amz-checksum-crc32c:AAAAAA==\r\n${trailer}`,
    ],
    [
      'the signature of another body’s trailing headers',
      ({ one, two, end }) => one + two + end + new Signer().trailer([TRAILER]),
    ],
  ] as [string, (parts: ReturnType<typeof body>) => string][])('is refused with %s', (_what, attack) => {
    expect(() => decode(attack(body()))).toThrow(refused('SignatureDoesNotMatch'))
  })

  it('is refused with trailing headers that nobody has signed', () => {
    const { one, two, end } = body()
    expect(() => decode(`${one}${two}${end}${TRAILER}\r\n\r\n`)).toThrow(refused('MalformedTrailerError'))
  })

  it('is refused with a chunk that has no signature, or one of another form', () => {
    const { one, end } = body()
    for (const header of [
      '3',
      '3;chunk-signature=',
      `3;chunk-signature=${'g'.repeat(64)}`,
      `3;chunk-signature=${'0'.repeat(63)}`,
    ]) {
      expect(() => decode(`${header}\r\none\r\n${end}\r\n`)).toThrow(refused('IncompleteBody'))
    }
    expect(() => decode(one)).toThrow(refused('IncompleteBody'))
  })
})
