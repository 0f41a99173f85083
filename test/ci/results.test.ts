import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'

const results = (...given: string[]) => execFileSync('.ci/results.js', given, { encoding: 'utf8' })

const file = (name: string, tests: Record<string, string>, status?: string) => ({
  name: resolve(name),
  status: status ?? (Object.values(tests).includes('failed') ? 'failed' : 'passed'),
  assertionResults: Object.entries(tests).map(([fullName, status]) => ({ fullName, status })),
})

describe('how the results of CI are counted', () => {
  const directory = mkdtempSync(join(tmpdir(), 'coffer-ci-'))
  const report = (name: string, ...testResults: ReturnType<typeof file>[]) => {
    const path = join(directory, name)
    writeFileSync(path, JSON.stringify({ testResults }))
    return path
  }
  afterAll(() => rmSync(directory, { recursive: true }))

  it('counts tests, and a file that failed before its first test as one', () => {
    const path = report('all.json', file('a', { a: 'passed', b: 'failed', c: 'skipped' }), file('b', {}, 'failed'))
    expect(results('counts', path)).toBe('1 2 1\n')
    expect(results('failed', path)).toBe('a\nb\n')
  })

  it('lets a later run count for the files that it has, and names what passed only then', () => {
    const all = report('all.json', file('a', { 'one works': 'failed' }), file('b', { two: 'failed', three: 'passed' }))
    const again = report(
      'again.json',
      file('a', { 'one works': 'passed' }),
      file('b', { two: 'failed', three: 'passed' }),
    )
    expect(results('counts', all, again)).toBe('2 1 0\n')
    expect(results('failed', all, again)).toBe('b\n')
    expect(results('unsteady', all, again)).toBe('a: one works\n')
  })

  it('counts nothing where no report was written', () => {
    expect(results('counts', join(directory, 'none.json'))).toBe('0 0 0\n')
    expect(results('failed', join(directory, 'none.json'))).toBe('')
  })
})
