import { createRequire, registerHooks } from 'node:module'
import { isAbsolute, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

/** What a package of a third party imports of ours, whatever lies beside it: a Secret of another copy would be none here. */
const OURS = /^@coffer\//
const WORKSPACES = new RegExp(`^${RegExp.escape(new URL('../../../', import.meta.url).href)}(packages|services|test)/`)
const BESIDE = 'coffer-plugin:'

let isHooked = false

/**
 * The default export of a package, as the neighbours of a configuration file see it: installed beside it, or a path relative to
 * it. What it imports from `@coffer/` are the modules of this process. Undefined: it has none. Rejects with Node's own error
 * where there is no such package.
 */
export async function loadPlugin<Plugin>(
  configurationFile: string,
  name: string,
): Promise<Partial<Plugin> | undefined> {
  if (!isHooked) registerHooks({ resolve: resolveForPlugins })
  isHooked = true
  const from = resolve(configurationFile)
  const isPath = name.startsWith('.') || isAbsolute(name)
  const url = isPath
    ? pathToFileURL(createRequire(from).resolve(name)).href
    : `${BESIDE}${encodeURIComponent(name)}?from=${encodeURIComponent(pathToFileURL(from).href)}`
  const loaded = (await import(url)) as { readonly default?: Partial<Plugin> }
  return loaded.default
}

type Resolve = NonNullable<Parameters<typeof registerHooks>[0]['resolve']>

/** Source: Node.js documentation, "module.registerHooks". */
const resolveForPlugins: Resolve = (specifier, context, next) => {
  if (OURS.test(specifier) && !WORKSPACES.test(context.parentURL ?? '')) {
    return next(specifier, { ...context, parentURL: import.meta.url })
  }
  if (!specifier.startsWith(BESIDE)) return next(specifier, context)
  const { pathname, searchParams } = new URL(specifier)
  return next(decodeURIComponent(pathname), { ...context, parentURL: searchParams.get('from') ?? import.meta.url })
}
