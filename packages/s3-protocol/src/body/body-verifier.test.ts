import { hash } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { loadChecksum } from '../checksums.ts'
import type { BodyPlan } from './body-plan.ts'
import { BodyVerifier, verifySmallBody } from './body-verifier.ts'

const BODY = Buffer.from('what was sent')
const PLAN: BodyPlan = { sizeBytes: BODY.length, computeMd5: false }
const refused = (code: string) => expect.objectContaining({ code })

/** The same in pieces and at once: there are two ways through. */
const ways: [string, (plan: BodyPlan, raw: Uint8Array) => unknown][] = [
  [
    'in pieces',
    (plan, raw) => {
      const verifier = new BodyVerifier(plan)
      verifier.push(raw.subarray(0, 3))
      verifier.push(raw.subarray(3))
      return verifier.end()
    },
  ],
  ['at once', (plan, raw) => verifySmallBody(plan, undefined, raw).body],
]
const chunked = (data: string, trailer = '') =>
  Buffer.from(`${data.length.toString(16)}\r\n${data}\r\n0\r\n${trailer}\r\n`)
const inChunks: BodyPlan = { ...PLAN, chunked: { signed: false, trailer: false } }

beforeAll(async () => await loadChecksum('CRC32'))

describe.each(ways)('a body %s', (_way, verify) => {
  it('is what was announced', () => {
    expect(verify(PLAN, BODY)).toMatchObject({ sizeBytes: BODY.length })
    expect(verify(inChunks, chunked(BODY.toString()))).toMatchObject({ sizeBytes: BODY.length })
  })

  it('is refused where it is shorter or longer than was announced', () => {
    for (const offBytes of [-1, 1]) {
      const sizeBytes = BODY.length + offBytes
      expect(() => verify({ ...PLAN, sizeBytes }, BODY)).toThrow(refused('IncompleteBody'))
      expect(() => verify({ ...inChunks, sizeBytes }, chunked(BODY.toString()))).toThrow(refused('IncompleteBody'))
    }
  })

  it('is refused where its SHA-256 is another', () => {
    expect(() => verify({ ...PLAN, sha256Hex: hash('sha256', BODY) }, BODY)).not.toThrow()
    expect(() => verify({ ...PLAN, sha256Hex: hash('sha256', 'other') }, BODY)).toThrow(
      refused('XAmzContentSHA256Mismatch'),
    )
  })

  it('is refused where its checksum is another, or is promised for the end and does not come', () => {
    const checksum = { algorithm: 'CRC32', expected: 'AAAAAA==' } as const
    expect(() => verify({ ...PLAN, checksum }, BODY)).toThrow(refused('BadDigest'))
    const plan: BodyPlan = {
      ...inChunks,
      chunked: { signed: false, trailer: true },
      checksum: { algorithm: 'CRC32' },
      trailerName: 'x-amz-checksum-crc32',
    }
    const withTrailer = (line: string) => chunked(BODY.toString(), line)
    expect(() => verify(plan, withTrailer(''))).toThrow(refused('MalformedTrailerError'))
    expect(() => verify(plan, withTrailer('x-amz-checksum-crc32c:AAAAAA==\r\n'))).toThrow(
      refused('MalformedTrailerError'),
    )
    expect(() => verify(plan, withTrailer('x-amz-checksum-crc32:AAAAAA==\r\n'))).toThrow(refused('BadDigest'))
  })

  it('is refused where its framing does not end, or goes on after its end', () => {
    const whole = chunked(BODY.toString())
    expect(() => verify(inChunks, whole.subarray(0, -2))).toThrow(refused('IncompleteBody'))
    expect(() => verify(inChunks, Buffer.concat([whole, Buffer.from('more')]))).toThrow(refused('IncompleteBody'))
  })
})
