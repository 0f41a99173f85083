import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'

const directory = mkdtempSync(join(tmpdir(), 'coffer-plugin-'))
const configurationFile = join(directory, 'kms.yaml')
const CODE = "import { Secret } from '@coffer/crypto-core'\nexport default { open: () => Secret }\n"

function install(name: string, manifest: object, code = CODE): void {
  const path = join(directory, 'node_modules', name)
  mkdirSync(path, { recursive: true })
  writeFileSync(join(path, 'package.json'), JSON.stringify({ name, type: 'module', ...manifest }))
  writeFileSync(join(path, 'index.js'), code)
}

/** In a Node.js of its own, as a server loads it. */
async function load(name: string): Promise<string> {
  const script = `
    import { Secret } from '@coffer/crypto-core'
    import { loadPlugin } from ${JSON.stringify(join(import.meta.dirname, 'load-plugin.ts'))}
    const plugin = await loadPlugin(${JSON.stringify(configurationFile)}, ${JSON.stringify(name)})
    console.log(plugin.open() === Secret ? 'the same Secret' : 'another Secret')`
  const args = ['--input-type=module', '--eval', script]
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: import.meta.dirname })
  return stdout.trim()
}

afterAll(() => rmSync(directory, { recursive: true }))

describe('a package of a third party', () => {
  it.each([
    ['with a main file', { main: 'index.js' }],
    ['for import only', { exports: { import: './index.js' } }],
  ])('%s stands on the modules of this process', async (title, manifest) => {
    const name = title.replaceAll(' ', '-')
    install(name, manifest)
    expect(await load(name)).toBe('the same Secret')
  })

  it('does so even if another copy of them lies beside it', async () => {
    install('@coffer/crypto-core', { main: 'index.js' }, 'export class Secret {}\n')
    install('copied', { main: 'index.js' })
    expect(await load('copied')).toBe('the same Secret')
  })

  it('may be a path beside the file', async () => {
    install('there', { main: 'index.js' })
    expect(await load('./node_modules/there')).toBe('the same Secret')
  })

  it('that is not there, or not whole, is refused', async () => {
    await expect(load('absent')).rejects.toThrow('ERR_MODULE_NOT_FOUND')
    install('broken', { main: 'index.js' }, "import '@coffer/no-such'\n")
    await expect(load('broken')).rejects.toThrow('ERR_MODULE_NOT_FOUND')
  })
})
