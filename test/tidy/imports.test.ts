import { isBuiltin } from 'node:module'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, it } from 'vitest'
import { importsOf, manifestOf, packageFolderOf, repositoryFiles, textOf } from './workspace.ts'

/** What each package may import of ours: the package table of ARCHITECTURE.md. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'packages/errors': [],
  'packages/crypto-core': ['errors'],
  'packages/s3-protocol': ['errors'],
  'packages/policy': [],
  'packages/config': ['crypto-core', 'errors'],
  'packages/metadata-store': ['errors'],
  'packages/blob-store': ['errors'],
  'packages/audit': ['errors'],
  'packages/event-targets': ['errors'],
  'packages/job-queue': ['errors'],
  'packages/lease': ['errors'],
  'packages/kms': ['crypto-core', 'errors'],
  'packages/object-body': ['blob-store', 'crypto-core', 'errors', 'metadata-store'],
  'packages/object-record': ['contracts', 'crypto-core', 'metadata-store', 's3-protocol'],
  'packages/contracts': ['audit', 'crypto-core', 'job-queue', 'kms', 'metadata-store'],
  'packages/identity-directory': ['errors'],
  'packages/web-identity': ['errors'],
  'packages/tracing': ['errors'],
  'packages/mesh': ['contracts', 'crypto-core', 'errors', 'tracing'],
}

const files = repositoryFiles().filter((name) => /\.(ts|js)$/.test(name) && textOf(name) !== '')
const thisFile = 'test/tidy/imports.test.ts'
const sources = files.filter((name) => /^(packages|services)\//.test(name))
const isTest = (name: string): boolean => name.endsWith('.test.ts')
const imports = files
  .filter((file) => file !== thisFile)
  .flatMap((file) => importsOf(textOf(file)).map((target) => ({ file, target })))
const productImports = imports.filter(({ file }) => /^(packages|services)\//.test(file) && !isTest(file))
const folders = new Set(sources.map(packageFolderOf))

describe('imports', () => {
  it('finds imports at all', () => {
    expect(importsOf("import { a } from 'x'\nimport 'y'\nawait import('z')\nexport * from './w.ts'")).toEqual([
      'x',
      'y',
      'z',
      './w.ts',
    ])
    expect(imports.length).toBeGreaterThan(200)
  })

  it('point from services to packages, never back', () => {
    const wrong = imports.filter(
      ({ file, target }) => file.startsWith('packages/') && target.startsWith('@coffer/service-'),
    )
    expect(wrong).toEqual([])
  })

  it('never go from one service to another; only services/coffer composes them', () => {
    const wrong = imports.filter(({ file, target }) => {
      const [, service] = /^services\/([^/]+)/.exec(file) ?? []
      if (service === undefined || service === 'coffer') return false
      return target.startsWith('@coffer/service-') && target !== `@coffer/service-${service}`
    })
    expect(wrong).toEqual([])
  })

  it('of packages keep to the table', () => {
    const wrong = productImports.filter(({ file, target }) => {
      const allowed = MAY_IMPORT[packageFolderOf(file)]
      const [, ours] = /^@coffer\/([^/]+)/.exec(target) ?? []
      return ours !== undefined && allowed !== undefined && !allowed.includes(ours)
    })
    expect(wrong).toEqual([])
    const unlisted = [...folders].filter((folder) => folder.startsWith('packages/') && MAY_IMPORT[folder] === undefined)
    expect(unlisted).toEqual([])
  })

  it('of the crypto core are node:crypto, the base error, and what tells it about the processor', () => {
    const allowed = ['node:crypto', 'node:fs', 'node:os', 'node:util', '@coffer/errors']
    const wrong = productImports.filter(
      ({ file, target }) =>
        file.startsWith('packages/crypto-core/') && !target.startsWith('.') && !allowed.includes(target),
    )
    expect(wrong).toEqual([])
  })

  it('stay inside a package, or go through its name', () => {
    const wrong = imports.filter(({ file, target }) => {
      if (!target.startsWith('.')) return false
      const reached = normalize(join(dirname(file), target))
      return packageFolderOf(reached) !== packageFolderOf(file) && reached !== 'vitest.config.ts'
    })
    expect(wrong).toEqual([])
  })

  it('of interfaces never reach their drivers', () => {
    const wrong = productImports.filter(
      ({ file, target }) =>
        /^packages\/[^/]+\/src\/[^/]+$/.test(file) &&
        /^\.\/(drivers|connectors)\//.test(target) &&
        !file.endsWith('contract.ts'),
    )
    expect(wrong).toEqual([])
  })

  it('are declared in the package that uses them', () => {
    const wrong = imports.filter(({ file, target }) => {
      if (target.startsWith('.') || target.startsWith('node:') || isBuiltin(target)) return false
      const folder = packageFolderOf(file)
      const name = target
        .split('/')
        .slice(0, target.startsWith('@') ? 2 : 1)
        .join('/')
      const own = manifestOf(folder.includes('/') || folder === 'test' ? `${folder}/package.json` : 'package.json')
      const root = manifestOf('package.json')
      const declared = { ...own.dependencies, ...own.devDependencies, ...own.optionalDependencies }
      const forTests =
        isTest(file) ||
        file.startsWith('test/') ||
        file.endsWith('contract.ts') ||
        file.includes('/contract/') ||
        !file.includes('/')
      return !(name in declared) && name !== own.name && !(forTests && name in (root.devDependencies ?? {}))
    })
    expect(wrong).toEqual([])
  })

  it('of local files say .ts, and reach a file that is there', () => {
    const all = new Set(repositoryFiles())
    const wrong = imports.filter(
      ({ file, target }) => target.startsWith('.') && !all.has(normalize(join(dirname(file), target))),
    )
    expect(wrong).toEqual([])
  })

  it('leave no source file that nobody imports', () => {
    const reached = new Set(
      imports
        .filter(({ target }) => target.startsWith('.'))
        .map(({ file, target }) => normalize(join(dirname(file), target))),
    )
    const exported = new Set(
      [...folders].flatMap((folder) => {
        const { exports = {} } = manifestOf(`${folder}/package.json`) as { exports?: Record<string, string> }
        return Object.values(exports).map((path) => normalize(join(folder, path)))
      }),
    )
    const started = sources.flatMap((file) =>
      [...textOf(file).matchAll(/['"](\.{1,2}\/[^'"]+\.ts)['"]/g)].map((match) =>
        normalize(join(dirname(file), match[1] ?? '')),
      ),
    )
    const commands = files
      .concat(repositoryFiles().filter((name) => /\.(md|json)$/.test(name)))
      .map(textOf)
      .join('\n')
    const dead = sources.filter(
      (file) =>
        file.endsWith('.ts') &&
        !isTest(file) &&
        !reached.has(file) &&
        !exported.has(file) &&
        !started.includes(file) &&
        !commands.includes(`node ${file}`),
    )
    expect(dead).toEqual([])
  })
})
