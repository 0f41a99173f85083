import { basename, extname } from 'node:path'
import { describe, expect, it } from 'vitest'
import { repositoryFiles, textOf } from './workspace.ts'

const LINES_MAX = 450
const BINARY = new Set(['.png', '.ico', '.woff2'])

const files = repositoryFiles().filter((name) => !BINARY.has(extname(name)) && textOf(name) !== '')
const code = files.filter((name) => /\.(ts|js)$/.test(name))
const product = code.filter((name) => /^(packages|services)\//.test(name) && !name.endsWith('.test.ts'))
/** These rules name what they forbid. */
const notThisFolder = (name: string): boolean => !name.startsWith('test/tidy/')

const isComment = (line: string): boolean => /^\s*(\/\/|\/\*|\*)/.test(line)

/** `file:line: text` for each line that matches. */
function linesWith(names: readonly string[], pattern: RegExp, options = { comments: true }): string[] {
  return names.filter(notThisFolder).flatMap((name) =>
    textOf(name)
      .split('\n')
      .flatMap((line, index) =>
        pattern.test(line) && (options.comments || !isComment(line))
          ? [`${name}:${index + 1}: ${line.trim().slice(0, 120)}`]
          : [],
      ),
  )
}

describe('style', () => {
  it('no file is named for a heap of things', () => {
    const wrong = code.filter((name) =>
      /^(utils?|helpers?|managers?|common|misc)\b|-(utils?|helpers?|manager)\./.test(basename(name)),
    )
    expect(wrong).toEqual([])
  })

  it('no type is any, and no type error is silenced', () => {
    expect(
      linesWith(code, /(:\s*any\b|\bas any\b|<any>|@ts-ignore|@ts-expect-error|@ts-nocheck)/, { comments: false }),
    ).toEqual([])
  })

  it('nothing is left to do in a comment', () => {
    expect(linesWith(code, /\b(TODO|FIXME|XXX|HACK)\b/)).toEqual([])
  })

  it('no test runs alone, and none is skipped without its reason', () => {
    const tests = code.filter((name) => /\.test\.ts$|contract\.ts$|^test\//.test(name))
    expect(linesWith(tests, /\b(it|test|describe)(\.\w+)*\.only\b/)).toEqual([])
    const skipped = tests.filter(notThisFolder).flatMap((name) => {
      const lines = textOf(name).split('\n')
      return lines.flatMap((line, index) => {
        const isSkip = /\b(it|test|describe)(\.\w+)*\.(skip|todo|skipIf)\b/.test(line)
        return isSkip && !/\/\/ skip: \S/.test(lines[index - 1] ?? '') ? [`${name}:${index + 1}`] : []
      })
    })
    expect(skipped).toEqual([])
  })

  it('no file of tests has less time than vitest.config.ts gives to all: they run on busy machines', () => {
    const tests = code.filter((name) => name.endsWith('.test.ts'))
    const limits = linesWith(tests, /\b(test|hook)Timeout: /)
    const less = limits.filter((line) =>
      [...line.matchAll(/\b(test|hook)Timeout: ([\d_]+)/g)].some(
        ([, kind, ms = '']) => Number(ms.replaceAll('_', '')) < (kind === 'test' ? 180_000 : 240_000),
      ),
    )
    expect(less).toEqual([])
  })

  it('the product writes to the console only through its logger or its command line', () => {
    const withoutCommands = product.filter(
      (name) => !name.startsWith('services/coffer/') && name !== 'packages/mesh/src/logger.ts',
    )
    expect(linesWith(withoutCommands, /\bconsole\.\w+\(|process\.std(out|err)\.write\(/, { comments: false })).toEqual(
      [],
    )
  })

  it('no secret is printed', () => {
    expect(
      linesWith(
        code,
        /(console\.\w+|logger\.\w+|log\.\w+)\([^)]*(secretAccessKey|rootKey|insecureExport|password)\b(?!\.)/,
      ),
    ).toEqual([])
  })

  it('key bytes leave a Secret only where ciphers, files and lines to a person are', () => {
    const users = product.filter((name) => textOf(name).includes('insecureExportKeyBytes'))
    expect(users.filter((name) => /^services\/(metadata|rotation)\//.test(name))).toEqual([])
  })

  it('no secret is compared with ===', () => {
    expect(
      linesWith(
        product,
        /\b(signature|secretAccessKey|mac|hmac|tag|sessionToken|passwordHash|keyBytes)\s*[!=]==\s*(?!undefined|'|null|\d)\w/,
      ),
    ).toEqual([])
  })

  it('no file names a place of one machine or one company', () => {
    const pattern =
      /(^|[\s"'`(=])\/(work|root|home\/\w+|Users\/\w+|tmp\/specs)\/|registry\.(npmjs|yarnpkg|npmmirror)|artifactory|jfrog|\b\d{1,3}(\.\d{1,3}){3}:\d+\/(npm|simple)/
    const text = files.filter((name) => name !== 'pnpm-lock.yaml')
    expect(linesWith(text, pattern)).toEqual([])
    expect(linesWith(['pnpm-lock.yaml'], /tarball:|https?:\/\//)).toEqual([])
  })

  it('a file holds one thing', () => {
    const long = code.filter((name) => textOf(name).split('\n').length > LINES_MAX)
    expect(long).toEqual([])
  })

  it('text files end with a newline', () => {
    const wrong = files.filter((name) => name !== 'LICENSE' && !textOf(name).endsWith('\n'))
    expect(wrong).toEqual([])
  })
})
