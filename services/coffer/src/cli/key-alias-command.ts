import type { KeyAlias } from '@coffer/contracts'
import { scopedAliasName } from '@coffer/kms'
import type { Mesh } from '@coffer/mesh'
import { Command } from 'commander'
import { keyOwnerOf } from './account-names.ts'
import { renderAliases } from './key-tables.ts'
import { addOptionFlags, MESH_OPTIONS, STORE_OPTIONS } from './option-flags.ts'
import { print, printJson } from './print.ts'
import { withStore } from './with-store.ts'

const PAGE = 500
const ALIAS_ARGUMENT = 'alias/name; `alias/` may be left out'
const PREFIX = 'alias/'

interface Json {
  readonly json?: boolean
  readonly account?: string
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
  return withFlags(command).action(async (alias: string, key: string, { json, account }: Json) => {
    await withStore(command, async (mesh) => {
      show([await mesh.use('kms')[method](await nameOf(mesh, alias, account), key)], json)
    })
  })
}

function deleteCommand(): Command {
  const command = new Command('delete').description('forget a name; the key stays').argument('<alias>', ALIAS_ARGUMENT)
  return withFlags(command).action(async (alias: string, { account }: Json) => {
    await withStore(command, async (mesh) => {
      await mesh.use('kms').deleteAlias(await nameOf(mesh, alias, account))
    })
  })
}

function listCommand(): Command {
  const command = new Command('list')
    .description('show the aliases of an account')
    .option('--key <key>', 'only those of this key')
  return withFlags(command).action(async ({ json, key, account }: Json & { key?: string }) => {
    await withStore(command, async (mesh) => {
      const aliases: KeyAlias[] = []
      const of = key === undefined ? { ownedBy: await keyOwnerOf(mesh, account) } : { keyId: key }
      let page: readonly KeyAlias[]
      do {
        const afterAlias = aliases.at(-1)?.alias ?? ''
        page = await mesh.use('kms').listAliases({ ...of, afterAlias, limit: PAGE })
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

async function nameOf(mesh: Mesh, text: string, account: string | undefined): Promise<string> {
  const alias = text.startsWith(PREFIX) ? text : PREFIX + text
  return scopedAliasName({ alias, ...(await keyOwnerOf(mesh, account)) })
}

function withFlags(command: Command): Command {
  command.option('--account <account>', 'whose aliases, by id or name; without it: the first account’s')
  command.option('--json', 'print JSON')
  return addOptionFlags(command, [...STORE_OPTIONS, ...MESH_OPTIONS])
}
