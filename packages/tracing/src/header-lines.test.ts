import { expect, it } from 'vitest'
import { parseHeaderLines } from './header-lines.ts'

it('lines are headers, empty ones and remarks are none', () => {
  expect(parseHeaderLines('# for the collector\r\nAuthorization: Bearer a:b \n\nx-scope:team\n', 'f')).toEqual({
    Authorization: 'Bearer a:b',
    'x-scope': 'team',
  })
})

it.each(['secret', ': secret', 'a b: secret', 'a:', 'a: sec\0ret', `a: ${'secret'.repeat(2_000)}`])(
  'a line that is no header is refused by its number, without its text: %j',
  (line) => {
    const refusal = () => parseHeaderLines(`x: y\n${line}\n`, '/etc/headers')
    expect(refusal).toThrow(expect.objectContaining({ code: 'TRACING_SETTINGS_INVALID' }))
    expect(refusal).toThrow(/^(?!.*secret).*\/etc\/headers: line 2 /)
  },
)
