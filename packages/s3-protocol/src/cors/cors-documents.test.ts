import { describe, expect, it } from 'vitest'
import { parseCorsConfiguration, renderCorsConfiguration } from './cors-documents.ts'

const parse = (content: string) =>
  parseCorsConfiguration(Buffer.from(`<CORSConfiguration>${content}</CORSConfiguration>`))
const NEEDED = '<AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>'
const rule = (more: string): string => `<CORSRule>${NEEDED}${more}</CORSRule>`

describe('a CORS configuration', () => {
  it('is read, and written as it was read', () => {
    const rules = parse(
      rule(
        '<ID>a</ID><AllowedHeader>*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>9</MaxAgeSeconds>',
      ) +
        '<CORSRule><AllowedOrigin>https://*.x</AllowedOrigin><AllowedOrigin>b</AllowedOrigin><AllowedMethod>PUT</AllowedMethod></CORSRule>',
    )
    expect(rules).toEqual([
      {
        id: 'a',
        allowedOrigins: ['*'],
        allowedMethods: ['GET'],
        allowedHeaders: ['*'],
        exposeHeaders: ['ETag'],
        maxAgeSeconds: 9,
      },
      { allowedOrigins: ['https://*.x', 'b'], allowedMethods: ['PUT'], allowedHeaders: [], exposeHeaders: [] },
    ])
    expect(parseCorsConfiguration(Buffer.from(renderCorsConfiguration(rules)))).toEqual(rules)
  })

  it.each([
    ['no rule', '', 'MalformedXML'],
    ['101 rules', rule('').repeat(101), 'MalformedXML'],
    ['a rule without methods', '<CORSRule><AllowedOrigin>*</AllowedOrigin></CORSRule>', 'MalformedXML'],
    ['a rule without origins', '<CORSRule><AllowedMethod>GET</AllowedMethod></CORSRule>', 'MalformedXML'],
    ['an unknown element', rule('<Allow>x</Allow>'), 'MalformedXML'],
    ['an origin of two lines', rule('<AllowedOrigin>a&#13;&#10;b</AllowedOrigin>'), 'MalformedXML'],
    ['a header that is none', rule('<ExposeHeader>a b</ExposeHeader>'), 'MalformedXML'],
    ['an age that is no number', rule('<MaxAgeSeconds>-1</MaxAgeSeconds>'), 'MalformedXML'],
    ['two wildcards', rule('<AllowedOrigin>*.*</AllowedOrigin>'), 'InvalidRequest'],
    ['a wildcard to expose', rule('<ExposeHeader>*</ExposeHeader>'), 'InvalidRequest'],
    ['a method that S3 has not', rule('<AllowedMethod>PATCH</AllowedMethod>'), 'InvalidRequest'],
    ['an id twice', rule('<ID>a</ID>').repeat(2), 'InvalidRequest'],
    ['a long id', rule(`<ID>${'a'.repeat(256)}</ID>`), 'InvalidArgument'],
  ])('with %s is refused', (_what, content, code) => {
    expect(() => parse(content)).toThrow(expect.objectContaining({ code }))
  })
})
