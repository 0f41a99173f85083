import { expect, it } from 'vitest'
import { manifestOf, repositoryFiles, textOf } from './workspace.ts'

const page = textOf('docs/dependencies.md')

/** Rows of the page's tables: name, version, where. */
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')))
  .map(([, name = '', version = '', where = '', why = '']) => ({ name, version, where: where.split(', '), why }))

const manifests = repositoryFiles().filter((name) => /(^|\/)package\.json$/.test(name))
const declared = manifests.flatMap((file) => {
  const { dependencies, devDependencies, optionalDependencies } = manifestOf(file)
  const folder = file === 'package.json' ? 'root' : file.replace('/package.json', '')
  return Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })
    .filter(([, version]) => !version.startsWith('workspace:'))
    .map(([name, version]) => ({ name, version, folder }))
})

it('each dependency has a line that says version, place and reason', () => {
  expect(declared.length).toBeGreaterThan(15)
  const missing = declared.filter(({ name, version, folder }) => {
    const row = rows.find((candidate) => candidate.name === name)
    return row === undefined || row.version !== version || !row.where.includes(folder) || row.why.length < 10
  })
  expect(missing).toEqual([])
})

it('no line is about a dependency that is gone', () => {
  const gone = rows.filter(({ name, where }) =>
    where.some((folder) => !declared.some((dependency) => dependency.name === name && dependency.folder === folder)),
  )
  expect(gone).toEqual([])
})

it('versions are exact, so that a clone of today is the clone of tomorrow', () => {
  const loose = declared.filter(
    ({ name, version }) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version) && name !== '@types/node',
  )
  expect(loose).toEqual([])
})
