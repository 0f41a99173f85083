import { describe, expect, it } from 'vitest'
import { type CorsRule, corsHeaders, corsRequestOf, findCorsRule } from './cors-rules.ts'

const rule = (fields: Partial<CorsRule>): CorsRule => ({
  allowedOrigins: ['https://a.example'],
  allowedMethods: ['GET'],
  allowedHeaders: [],
  exposeHeaders: [],
  ...fields,
})
const request = (fields: Partial<Parameters<typeof findCorsRule>[1]>) => ({
  origin: 'https://a.example',
  method: 'GET',
  headers: [],
  ...fields,
})

describe('CORS rules', () => {
  it.each([
    ['*suffix', 'foo.suffix', true],
    ['*suffix', 'foo.suffix.get', false],
    ['start*end', 'startend', true],
    ['start*end', 'start12end', true],
    ['start*end', '0start12end', false],
    ['prefix*', 'prefix', true],
    ['prefix*', 'bla.prefix', false],
    ['ab*ba', 'aba', false],
    ['https://A.example', 'https://a.example', false],
    ['https://*.example', 'https://x.example.evil', false],
    ['https://a.example', 'https://aXexample', false],
    ['*', 'null', true],
  ])('the origin %s fits %s: %s', (pattern, origin, fits) => {
    expect(findCorsRule([rule({ allowedOrigins: [pattern] })], request({ origin })) !== undefined).toBe(fits)
  })

  it('the first that allows origin, method and every header counts', () => {
    const rules = [
      rule({ id: 'method', allowedMethods: ['PUT'] }),
      rule({ id: 'headers', allowedHeaders: ['x-amz-*'] }),
      rule({ id: 'all', allowedHeaders: ['X-Amz-*', 'Content-Type'] }),
    ]
    expect(findCorsRule(rules, request({ headers: ['x-amz-meta-a', 'content-type'] }))?.id).toBe('all')
    expect(findCorsRule(rules, request({ headers: ['x-amz-meta-a'] }))?.id).toBe('headers')
    expect(findCorsRule(rules, request({ method: 'PUT' }))?.id).toBe('method')
    expect(findCorsRule(rules, request({ headers: ['authorization'] }))).toBeUndefined()
    expect(findCorsRule(rules, request({ method: 'DELETE' }))).toBeUndefined()
  })

  it('credentials go only to origins that are named', () => {
    const asked = request({ headers: ['x-a'] })
    const named = corsHeaders(
      rule({ allowedMethods: ['GET', 'PUT'], exposeHeaders: ['ETag'], maxAgeSeconds: 5 }),
      asked,
    )
    expect(named).toEqual({
      'access-control-allow-origin': 'https://a.example',
      'access-control-allow-methods': 'GET, PUT',
      'access-control-allow-credentials': 'true',
      'access-control-allow-headers': 'x-a',
      'access-control-expose-headers': 'ETag',
      'access-control-max-age': '5',
      vary: 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method',
    })
    const forAll = corsHeaders(rule({ allowedOrigins: ['*'] }), asked)
    expect(forAll['access-control-allow-origin']).toBe('*')
    expect(forAll).not.toHaveProperty('access-control-allow-credentials')
  })

  it('a request is one across origins by its Origin; only a preflight asks for headers', () => {
    const headers = { origin: 'o', 'access-control-request-headers': 'X-A, ,x-b' }
    expect(corsRequestOf('OPTIONS', { ...headers, 'access-control-request-method': 'PUT' })).toEqual({
      origin: 'o',
      method: 'PUT',
      headers: ['x-a', 'x-b'],
    })
    expect(corsRequestOf('GET', headers)).toEqual({ origin: 'o', method: 'GET', headers: [] })
    expect(corsRequestOf('GET', {})).toBeUndefined()
  })
})
