import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { ERRORS_PAGE, errorsPage } from './errors-page.ts'

it('docs/errors.md lists the errors that the code can throw (node test/docs/write-errors-page.ts writes it)', () => {
  expect(readFileSync(ERRORS_PAGE, 'utf8')).toBe(errorsPage())
})
