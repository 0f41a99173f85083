import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { renderManual } from './manual.ts'
import { declarationOf, optionNames } from './options.ts'

test('docs/configuration.md is what the declarations say: run `node packages/config/src/write-docs.ts` after a change', () => {
  const written = readFileSync(new URL('../../../docs/configuration.md', import.meta.url), 'utf8')
  expect(written).toBe(renderManual())
})

test('every option has a variable and a flag of its own', () => {
  const declarations = optionNames().map(declarationOf)
  const variables = declarations.map((declaration) => declaration.environment)
  const flags = declarations.flatMap((declaration) => declaration.flag ?? [])
  expect(new Set(variables).size).toBe(variables.length)
  expect(new Set(flags).size).toBe(flags.length)
})

test('no secret has a flag', () => {
  const secretFlags = optionNames().filter((name) => declarationOf(name).secret && declarationOf(name).flag)
  expect(secretFlags).toEqual([])
})
