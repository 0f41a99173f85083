import type { Mesh } from '@coffer/mesh'
import type { Quota, UsageScope } from '@coffer/metadata-store'
import { Command, InvalidArgumentError } from 'commander'
import { addOptionFlags, MESH_OPTIONS, STORE_OPTIONS } from './option-flags.ts'
import { print, printJson } from './print.ts'
import { sizeOf } from './quantities.ts'
import { quotaText } from './usage-tables.ts'
import { withStore } from './with-store.ts'

interface QuotaFlags {
  readonly size?: number
  readonly objects?: number
  readonly json?: boolean
}

/** `set`, `show` and `remove` of what a name stands for. `scopeOf` fails where there is nothing of this name. */
export function quotaCommand(
  kind: 'bucket' | 'account',
  scopeOf: (mesh: Mesh, name: string) => Promise<UsageScope>,
): Command {
  const command = (name: string, description: string) => {
    const made = new Command(name).description(description).argument(`<${kind}>`).option('--json', 'print JSON')
    return addOptionFlags(made, [...STORE_OPTIONS, ...MESH_OPTIONS])
  }
  const tell = (name: string, quota: Quota | undefined, json: boolean | undefined) => {
    if (json) printJson({ [kind]: name, quota: quota ?? null })
    else print(`Quota of ${kind} ${name}: ${quotaText(quota)}.`)
  }

  const set = command('set', `what the ${kind} may hold; writes beyond it get QuotaExceeded`)
    .option('--size <size>', 'bytes of all versions and of unfinished uploads, such as 10GiB', sizeOf)
    .option('--objects <count>', 'object versions', wholeNumber)
  set.action(async (name: string, { size, objects, json }: QuotaFlags) => {
    if (size === undefined && objects === undefined) set.error('error: give --size or --objects')
    const quota = {
      ...(size !== undefined && { sizeBytesMax: size }),
      ...(objects !== undefined && { versionCountMax: objects }),
    }
    await withStore(set, async (mesh) => {
      await mesh.use('metadata').setQuota(await scopeOf(mesh, name), quota)
      tell(name, quota, json)
    })
  })
  const show = command('show', 'show it')
  show.action(async (name: string, { json }: QuotaFlags) => {
    await withStore(show, async (mesh) => {
      tell(name, await mesh.use('metadata').findQuota(await scopeOf(mesh, name)), json)
    })
  })
  const remove = command('remove', 'no limit any more')
  remove.action(async (name: string, { json }: QuotaFlags) => {
    await withStore(remove, async (mesh) => {
      await mesh.use('metadata').removeQuota(await scopeOf(mesh, name))
      tell(name, undefined, json)
    })
  })
  return new Command('quota')
    .description(`how much ${kind === 'bucket' ? 'a bucket' : 'all buckets of an account together'} may hold`)
    .addCommand(set)
    .addCommand(show)
    .addCommand(remove)
}

function wholeNumber(text: string): number {
  if (!/^\d{1,13}$/.test(text)) throw new InvalidArgumentError('A whole number.')
  return Number(text)
}
