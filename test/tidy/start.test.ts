import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { REPOSITORY } from '../harness/start-server.ts'

/** What every start needs. Whatever else a feature stands on is loaded with its first use; drivers, where they are configured. */
const NEEDED_AT_START = [
  '@node-rs/crc32',
  '@rubensworks/saxes',
  'cbor-x',
  'cron-parser',
  'moleculer',
  'pino',
  'yaml',
  'zod',
]

/** Prints each package of others that a file of ours imports. */
const HOOK = `
import { registerHooks } from 'node:module'
const isOthers = (url = '') => url.includes('/node_modules/')
registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context)
    const isFirst = context.parentURL?.startsWith('file:') && !isOthers(context.parentURL) && isOthers(resolved.url)
    if (isFirst) console.log(specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/'))
    return resolved
  },
})`

it('the server loads no library at start that only some need: it is ready within two seconds', async () => {
  const entries = ['supervisor', 'worker'].map((name) => `services/coffer/src/${name}.ts`)
  const imports = entries.map((entry) => `await import(${JSON.stringify(pathToFileURL(join(REPOSITORY, entry)))})`)
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--import',
    `data:text/javascript,${encodeURIComponent(HOOK)}`,
    '--input-type=module',
    '--eval',
    imports.join('\n'),
  ])
  const loaded = new Set(stdout.split('\n').filter((line) => line !== ''))
  expect([...loaded].sort()).toEqual(NEEDED_AT_START)
})
