import { constants, setPriority } from 'node:os'
import type { LocatedKey } from '@coffer/contracts'
import { Command, InvalidArgumentError, Option } from 'commander'
import { readKeyMaterial, readKeyMaterialFile } from '../key-material.ts'
import { keyOwnerOf, ownerNames } from './account-names.ts'
import { allKeys } from './all-keys.ts'
import { keyAliasCommand } from './key-alias-command.ts'
import { keyGrantCommand } from './key-grant-command.ts'
import { renderKey, renderKeys, renderRewrap, renderSettings, renderUse } from './key-tables.ts'
import { addOptionFlags, MESH_OPTIONS, STORE_OPTIONS } from './option-flags.ts'
import { print, printJson } from './print.ts'
import { withStore } from './with-store.ts'

const PAGE = 500
const PENDING_DAYS = 30
const KEY_ARGUMENT = 'key, or connector/key'
const OF_ACCOUNT = 'whose it is to be, by id or name; without it: the first account’s'

interface Json {
  readonly json?: boolean
}

export function keyCommand(): Command {
  return new Command('key')
    .description(
      'master keys: make, rotate, disable and delete them, and see what they seal; also beside a running server',
    )
    .addCommand(createCommand())
    .addCommand(importCommand())
    .addCommand(listCommand())
    .addCommand(describeCommand())
    .addCommand(changeCommand('rotate', 'make a new version, which everything new is sealed under', 'rotateKey'))
    .addCommand(changeCommand('enable', 'let a disabled key be used again', 'enableKey'))
    .addCommand(disableCommand())
    .addCommand(deleteCommand())
    .addCommand(
      changeCommand('cancel-deletion', 'keep a key that awaits its deletion; it is disabled then', 'cancelKeyDeletion'),
    )
    .addCommand(usageCommand())
    .addCommand(rewrapCommand())
    .addCommand(keyAliasCommand())
    .addCommand(keyGrantCommand())
    .addCommand(scheduleCommand())
}

function changeCommand(
  name: string,
  description: string,
  method: 'rotateKey' | 'enableKey' | 'cancelKeyDeletion',
): Command {
  const command = storeCommand(name, description).argument('<key>', KEY_ARGUMENT)
  return command.action(async (key: string, options: Json) => {
    await withStore(command, async (mesh) => show(await mesh.use('kms')[method](key), options))
  })
}

function createCommand(): Command {
  const command = storeCommand('create', 'make a master key')
    .argument('<key>', KEY_ARGUMENT)
    .option('--account <account>', OF_ACCOUNT)
  return command.action(async (key: string, options: Json & { account?: string }) => {
    await withStore(command, async (mesh) => {
      show(await mesh.use('kms').createKey(key, await keyOwnerOf(mesh, options.account)), options)
    })
  })
}

function describeCommand(): Command {
  const command = storeCommand('describe', 'show a key, its versions, and what goes by itself with it').argument(
    '<key>',
    `${KEY_ARGUMENT}, or alias/name of the first account`,
  )
  return command.action(async (name: string, { json }: Json) => {
    await withStore(command, async (mesh) => {
      const kms = mesh.use('kms')
      const key = await kms.describeKey(name)
      const keyId = `${key.connector}/${key.keyId}`
      const aliases = await kms.listAliases({ keyId, afterAlias: '', limit: PAGE })
      const settings = await kms.describeSettings(keyId)
      if (json) printJson({ ...key, ...settings, aliases: aliases.map(({ alias }) => alias) })
      else {
        const owner = `account: ${(await ownerNames(mesh))(key)}`
        print([renderKey(key), owner, ...renderSettings(aliases, settings)].join('\n'))
      }
    })
  })
}

/** Beside `coffer job schedule`: no rewrap, and what EnableKeyRotation of the KMS API sets. */
function scheduleCommand(): Command {
  const command = storeCommand('schedule', 'make a new version of a key each so many days, or no longer')
    .argument('<key>', KEY_ARGUMENT)
    .addOption(new Option('--every-days <days>', '90 to 2560').argParser(rotationDays).conflicts('off'))
    .option('--off', 'only when it is asked for')
  return command.action(async (key: string, { json, everyDays, off }: Json & { everyDays?: number; off?: boolean }) => {
    if (everyDays === undefined && !off) command.error('Give --every-days <days>, or --off.')
    await withStore(command, async (mesh) => {
      const settings = await mesh.use('kms').setRotation(key, everyDays)
      if (json) printJson(settings)
      else print(renderSettings([], settings).join('\n'))
    })
  })
}

function importCommand(): Command {
  const command = storeCommand('import', 'make a master key of a 256-bit key from outside, as its version 1')
    .argument('<key>', KEY_ARGUMENT)
    .option('--file <path>', 'the key: 32 bytes, or their base64; without it: the standard input')
    .option('--account <account>', OF_ACCOUNT)
  return command.action(async (key: string, options: Json & { file?: string; account?: string }) => {
    const { file } = options
    if (file === undefined && process.stdin.isTTY)
      command.error('Give the key with --file, or into the standard input.')
    const material = await (file === undefined
      ? readKeyMaterial(process.stdin, 'the standard input')
      : readKeyMaterialFile(file))
    try {
      await withStore(command, async (mesh) => {
        const recipient = await mesh.use('kms').keyRecipient()
        const parcel = mesh.parcel(material, recipient, 'imported-key', key)
        const owner = await keyOwnerOf(mesh, options.account)
        show(await mesh.useAt('kms', recipient).importKey(key, parcel, owner), options)
      })
    } finally {
      material.wipe()
    }
  })
}

function listCommand(): Command {
  const command = storeCommand('list', 'show the keys of every KMS connector')
  command.option('--account <account>', 'only those of this account, by id or name')
  return command.action(async ({ json, account }: Json & { account?: string }) => {
    await withStore(command, async (mesh) => {
      const keys = await allKeys(mesh, account === undefined ? undefined : await keyOwnerOf(mesh, account))
      if (json) printJson(keys)
      else print(renderKeys(keys, await ownerNames(mesh)))
    })
  })
}

function disableCommand(): Command {
  const command = storeCommand(
    'disable',
    'refuse a key at once: what it seals cannot be read until it is enabled again',
  )
    .argument('<key>', KEY_ARGUMENT)
    .option('--yes', 'do it, although objects cannot be read meanwhile')
  return command.action(async (key: string, options: Json & { yes?: boolean }) => {
    await withStore(command, async (mesh) => {
      const { versions } = await mesh.use('rotation').keyUse(key)
      const objectCount = versions.reduce((sum, use) => sum + use.objectCount, 0)
      if (versions.length > 0 && !options.yes) {
        command.error(
          `Key ${key} seals ${objectCount} objects, which could not be read or written while it is disabled. Nothing was changed. ` +
            'To do it all the same, add --yes.',
        )
      }
      show(await mesh.use('kms').disableKey(key), options)
    })
  })
}

function deleteCommand(): Command {
  const command = storeCommand('delete', 'schedule the deletion of a key that nothing needs any more')
    .argument('<key>', KEY_ARGUMENT)
    .option('--pending-days <days>', 'how long it can still be cancelled, 7 to 30', days, PENDING_DAYS)
  return command.action(async (key: string, options: Json & { pendingDays: number }) => {
    await withStore(command, async (mesh) => {
      show(await mesh.use('kms').scheduleKeyDeletion(key, options.pendingDays), options)
    })
  })
}

function usageCommand(): Command {
  const command = storeCommand('usage', 'show what needs which version of a key').argument('<key>', KEY_ARGUMENT)
  return command.action(async (key: string, { json }: Json) => {
    await withStore(command, async (mesh) => {
      const use = await mesh.use('rotation').keyUse(key)
      if (json) printJson(use)
      else print(renderUse(use))
    })
  })
}

function rewrapCommand(): Command {
  const command = storeCommand(
    'rewrap',
    'wrap anew what older versions of a key wrap, under its newest version or under another key; no object data moves',
  )
    .argument('<key>', KEY_ARGUMENT)
    .option('--to <key>', 'another key, which may be held by another KMS')
    .option('--dry-run', 'only count')
  return command.action(async (keyName: string, { json, to, dryRun }: Json & { to?: string; dryRun?: boolean }) => {
    // Beside a server on the same cores: requests come first.
    setPriority(constants.priority.PRIORITY_LOW)
    await withStore(command, async (mesh) => {
      const report = await mesh
        .use('rotation')
        .rewrap({ keyName, ...(to && { toKeyName: to }), ...(dryRun && { dryRun }) })
      if (json) printJson(report)
      else print(renderRewrap(report))
      if (report.failures.length > 0) process.exitCode = 1
    })
  })
}

function storeCommand(name: string, description: string): Command {
  const command = new Command(name).description(description).option('--json', 'print JSON')
  return addOptionFlags(command, [...STORE_OPTIONS, ...MESH_OPTIONS])
}

function show(key: LocatedKey, { json }: Json): void {
  if (json) printJson(key)
  else print(renderKey(key))
}

/** AWS KMS API Reference, EnableKeyRotation, RotationPeriodInDays. */
function rotationDays(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 90 || value > 2560) throw new InvalidArgumentError('90 to 2560 days')
  return value
}

function days(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 7 || value > 30) throw new InvalidArgumentError('7 to 30 days')
  return value
}
