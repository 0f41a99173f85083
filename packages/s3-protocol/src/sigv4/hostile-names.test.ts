import { expect, it } from 'vitest'
import { parseRequest } from '../request.ts'
import { parseAuthentication } from './authentication.ts'
import { deriveSigningKey, verifySignature } from './verify.ts'

/** What every object of JavaScript has, and no header or payload is called. */
const NAMES = ['constructor', '__proto__', 'toString', 'hasOwnProperty']
const NOW_MS = Date.UTC(2026, 0, 2)

function requestWith(headers: Record<string, string>) {
  const raw = { method: 'PUT', url: '/bucket/key', headers: { host: 'localhost', ...headers }, secure: true }
  return parseRequest(raw, { virtualHosts: [] })
}

function signedBy(signedHeaders: string) {
  return {
    'x-amz-date': '20260102T000000Z',
    'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
    authorization:
      'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/us-east-1/s3/aws4_request, ' +
      `SignedHeaders=${signedHeaders}, Signature=${'0'.repeat(64)}`,
  }
}

it.each(NAMES)('a payload that is declared as %s is none: it would be taken without being checked', (name) => {
  const request = requestWith({ ...signedBy('host;x-amz-content-sha256;x-amz-date'), 'x-amz-content-sha256': name })
  expect(() => parseAuthentication(request)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
  const anonymous = requestWith({ 'x-amz-content-sha256': name })
  expect(() => parseAuthentication(anonymous)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
})

it.each(NAMES)('a signature over a header %s that is not there is wrong, not a failure of the server', (name) => {
  const request = requestWith(signedBy(`host;${name};x-amz-content-sha256;x-amz-date`))
  const authentication = parseAuthentication(request)
  if (authentication.kind === 'anonymous') throw new Error('it is signed')
  const key = deriveSigningKey(Buffer.from('secret'), '20260102', 'us-east-1', 's3')
  expect(() => verifySignature(request, authentication, key, NOW_MS)).toThrow(
    expect.objectContaining({ code: 'SignatureDoesNotMatch' }),
  )
})
