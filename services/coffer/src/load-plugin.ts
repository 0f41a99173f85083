import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

/**
 * The default export of a package, as the neighbours of a configuration file see it: installed beside it, or a path relative to
 * it. Undefined: it has none. Rejects with Node's own error where there is no such package.
 */
export async function loadPlugin<Plugin>(
  configurationFile: string,
  name: string,
): Promise<Partial<Plugin> | undefined> {
  const path = createRequire(resolve(configurationFile)).resolve(name)
  const loaded = (await import(pathToFileURL(path).href)) as { readonly default?: Partial<Plugin> }
  return loaded.default
}
