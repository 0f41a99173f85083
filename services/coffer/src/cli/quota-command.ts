import type { KeyOwner, KeyQuota, KeyUsage } from '@coffer/contracts'
import type { Mesh } from '@coffer/mesh'
import type { UsageScope } from '@coffer/metadata-store'
import { Command, InvalidArgumentError } from 'commander'
import { addOptionFlags, MESH_OPTIONS, STORE_OPTIONS } from './option-flags.ts'
import { print, printJson } from './print.ts'
import { sizeOf } from './quantities.ts'
import { quotaText } from './usage-tables.ts'
import { withStore } from './with-store.ts'

interface QuotaFlags {
  readonly size?: number
  readonly objects?: number
  readonly keys?: number
  readonly aliases?: number
  readonly json?: boolean
}

interface QuotaOf {
  readonly scope: UsageScope
  /** Of an account: who owns keys. */
  readonly keyOwner?: KeyOwner
}

interface Kind {
  readonly kind: 'bucket' | 'account'
  /** What a name stands for; fails where there is nothing of this name. */
  readonly find: (mesh: Mesh, name: string) => Promise<QuotaOf>
}

/** `set`, `show` and `remove` of what a name stands for. */
export function quotaCommand({ kind, find }: Kind): Command {
  const command = (name: string, description: string) => {
    const made = new Command(name).description(description).argument(`<${kind}>`).option('--json', 'print JSON')
    return addOptionFlags(made, [...STORE_OPTIONS, ...MESH_OPTIONS])
  }
  const tell = async (mesh: Mesh, name: string, { scope, keyOwner }: QuotaOf, json: boolean | undefined) => {
    const quota = await mesh.use('metadata').findQuota(scope)
    const keys = keyOwner && (await mesh.use('kms').getKeyUsage(keyOwner))
    if (!json) return print(`Quota of ${kind} ${name}: ${quotaText(quota)}${keyQuotaText(keys)}.`)
    printJson({ [kind]: name, quota: quota ?? null, ...(keys && { keyQuota: keyQuotaIn(keys) }) })
  }
  return new Command('quota')
    .description(
      kind === 'bucket'
        ? 'how much a bucket may hold'
        : 'how much all buckets of an account together may hold, and how many master keys it may have',
    )
    .addCommand(setCommand({ kind, find }, command, tell))
    .addCommand(showCommand(find, command, tell))
    .addCommand(removeCommand(find, command, tell))
}

type NewCommand = (name: string, description: string) => Command
type Tell = (mesh: Mesh, name: string, of: QuotaOf, json: boolean | undefined) => Promise<void>

function setCommand({ kind, find }: Kind, command: NewCommand, tell: Tell): Command {
  const set = command('set', `what the ${kind} may hold; writes beyond it get QuotaExceeded`)
    .option('--size <size>', 'bytes of all versions and of unfinished uploads, such as 10GiB', sizeOf)
    .option('--objects <count>', 'object versions', wholeNumber)
  if (kind === 'account') {
    set
      .option('--keys <count>', 'master keys; those beyond get LimitExceededException', wholeNumber)
      .option('--aliases <count>', 'aliases of master keys', wholeNumber)
  }
  return set.action(async (name: string, flags: QuotaFlags) => {
    const { size, objects, keys, aliases, json } = flags
    const ofData = size !== undefined || objects !== undefined
    const ofKeys = keys !== undefined || aliases !== undefined
    if (!ofData && !ofKeys) {
      set.error(`error: give --size or --objects${kind === 'account' ? ', --keys or --aliases' : ''}`)
    }
    const quota = {
      ...(size !== undefined && { sizeBytesMax: size }),
      ...(objects !== undefined && { versionCountMax: objects }),
    }
    const keyQuota = {
      ...(keys !== undefined && { keyCountMax: keys }),
      ...(aliases !== undefined && { aliasCountMax: aliases }),
    }
    await withStore(set, async (mesh) => {
      const of = await find(mesh, name)
      if (ofData) await mesh.use('metadata').setQuota(of.scope, quota)
      if (ofKeys && of.keyOwner) await mesh.use('kms').setKeyQuota(of.keyOwner, keyQuota)
      await tell(mesh, name, of, json)
    })
  })
}

function showCommand(find: Kind['find'], command: NewCommand, tell: Tell): Command {
  const show = command('show', 'show it')
  return show.action(async (name: string, { json }: QuotaFlags) => {
    await withStore(show, async (mesh) => tell(mesh, name, await find(mesh, name), json))
  })
}

function removeCommand(find: Kind['find'], command: NewCommand, tell: Tell): Command {
  const remove = command('remove', 'what is so by default')
  return remove.action(async (name: string, { json }: QuotaFlags) => {
    await withStore(remove, async (mesh) => {
      const of = await find(mesh, name)
      await mesh.use('metadata').removeQuota(of.scope)
      if (of.keyOwner) await mesh.use('kms').setKeyQuota(of.keyOwner, {})
      await tell(mesh, name, of, json)
    })
  })
}

function keyQuotaText(keys: KeyUsage | undefined): string {
  return keys === undefined ? '' : `; of keys: ${keys.keyCountMax} master keys, ${keys.aliasCountMax} aliases`
}

export function keyQuotaIn({ keyCountMax, aliasCountMax }: KeyUsage): Required<KeyQuota> {
  return { keyCountMax, aliasCountMax }
}

function wholeNumber(text: string): number {
  if (!/^\d{1,13}$/.test(text)) throw new InvalidArgumentError('A whole number.')
  return Number(text)
}
