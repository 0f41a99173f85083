import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'

const SOURCE = join(import.meta.dirname, 'example-kms')

/** What a third party would publish: JavaScript and the libraries that it brings, far from the modules of the server. */
export function installExampleKms(directory: string): void {
  const path = join(directory, 'node_modules/example-kms')
  mkdirSync(path, { recursive: true })
  const { exports: _, ...manifest } = JSON.parse(readFileSync(join(SOURCE, 'package.json'), 'utf8')) as object & {
    exports: unknown
  }
  writeFileSync(join(path, 'package.json'), JSON.stringify({ ...manifest, exports: { import: './index.js' } }))
  writeFileSync(join(path, 'index.js'), stripTypeScriptTypes(readFileSync(join(SOURCE, 'example-kms.ts'), 'utf8')))
  symlinkSync(join(import.meta.dirname, '../node_modules/zod'), join(directory, 'node_modules/zod'))
}
