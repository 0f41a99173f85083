import type { KeyAlias } from '@coffer/contracts'
import { Command } from 'commander'
import { renderAliases } from './key-tables.ts'
import { addOptionFlags, MESH_OPTIONS, STORE_OPTIONS } from './option-flags.ts'
import { print, printJson } from './print.ts'
import { withStore } from './with-store.ts'

const PAGE = 500
const ALIAS_ARGUMENT = 'alias/name; `alias/` may be left out'
const PREFIX = 'alias/'

interface Json {
  readonly json?: boolean
}

/** `coffer key alias`. */
export function keyAliasCommand(): Command {
  return new Command('alias')
    .description('other names of master keys, which can be made to name another key')
    .addCommand(setCommand('create', 'give a key another name', 'createAlias'))
    .addCommand(setCommand('update', 'let a name mean another key, from the next request on', 'updateAlias'))
    .addCommand(deleteCommand())
    .addCommand(listCommand())
}

function setCommand(name: string, description: string, method: 'createAlias' | 'updateAlias'): Command {
  const command = new Command(name)
    .description(description)
    .argument('<alias>', ALIAS_ARGUMENT)
    .argument('<key>', 'key, or connector/key')
  return withFlags(command).action(async (alias: string, key: string, { json }: Json) => {
    await withStore(command, async (mesh) => show([await mesh.use('kms')[method](nameOf(alias), key)], json))
  })
}

function deleteCommand(): Command {
  const command = new Command('delete').description('forget a name; the key stays').argument('<alias>', ALIAS_ARGUMENT)
  return withFlags(command).action(async (alias: string) => {
    await withStore(command, async (mesh) => await mesh.use('kms').deleteAlias(nameOf(alias)))
  })
}

function listCommand(): Command {
  const command = new Command('list').description('show all aliases').option('--key <key>', 'only those of this key')
  return withFlags(command).action(async ({ json, key }: Json & { key?: string }) => {
    await withStore(command, async (mesh) => {
      const aliases: KeyAlias[] = []
      let page: readonly KeyAlias[]
      do {
        const afterAlias = aliases.at(-1)?.alias ?? ''
        page = await mesh.use('kms').listAliases({ ...(key && { keyId: key }), afterAlias, limit: PAGE })
        aliases.push(...page)
      } while (page.length === PAGE)
      show(aliases, json)
    })
  })
}

function show(aliases: readonly KeyAlias[], json: boolean | undefined): void {
  if (json) printJson(aliases)
  else print(renderAliases(aliases))
}

function nameOf(text: string): string {
  return text.startsWith(PREFIX) ? text : PREFIX + text
}

function withFlags(command: Command): Command {
  command.option('--json', 'print JSON')
  return addOptionFlags(command, [...STORE_OPTIONS, ...MESH_OPTIONS])
}
