import { describe, expect, it } from 'vitest'
import { parseRequest } from '../request.ts'
import { withSignedParameters } from './signed-parameters.ts'

function presigned(query: string, headers: Record<string, string> = {}) {
  const url = `/bucket/key?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0&${query}`
  return parseRequest({ method: 'PUT', url, headers: { host: 'h', ...headers }, secure: true }, { virtualHosts: [] })
}

describe('the x-amz- parameters of a presigned URL', () => {
  it('count as the headers that they stand for', () => {
    const request = withSignedParameters(presigned('x-amz-meta-a=1&X-Amz-Server-Side-Encryption=aws%3Akms'))
    expect(request.headers).toMatchObject({
      'x-amz-meta-a': '1',
      'x-amz-server-side-encryption': 'aws:kms',
      host: 'h',
    })
  })

  it('and its conditions too', () => {
    const request = withSignedParameters(presigned('If-None-Match=%2A'))
    expect(request.headers).toMatchObject({ 'if-none-match': '*' })
    expect(withSignedParameters(presigned('if-match=%22a%22')).headers).toMatchObject({ 'if-match': '"a"' })
  })

  it('that belong to the signature stay where they are', () => {
    const request = presigned('X-Amz-Date=20260101T000000Z&X-Amz-Expires=1')
    expect(withSignedParameters(request)).toBe(request)
  })

  it('may repeat a header but not contradict it', () => {
    const same = presigned('x-amz-meta-a=1', { 'x-amz-meta-a': '1' })
    expect(withSignedParameters(same).headers['x-amz-meta-a']).toBe('1')
    const other = presigned('x-amz-meta-a=1', { 'x-amz-meta-a': '2' })
    expect(() => withSignedParameters(other)).toThrow(expect.objectContaining({ code: 'InvalidRequest' }))
  })

  it('cannot turn a put into a copy', () => {
    const copy = presigned('x-amz-copy-source=other%2Fkey')
    expect(() => withSignedParameters(copy)).toThrow(expect.objectContaining({ code: 'InvalidRequest' }))
  })
})
