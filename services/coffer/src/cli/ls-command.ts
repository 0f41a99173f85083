import { once } from 'node:events'
import type { InventoryItem } from '@coffer/service-rotation/inventory'
import { Command } from 'commander'
import { addOptionFlags, MESH_OPTIONS, STORE_OPTIONS } from './option-flags.ts'
import { withStore } from './with-store.ts'

const SIZE_COLUMN = 14

export function lsCommand(): Command {
  const command = new Command('ls')
    .description('list objects with their encryption, master key, class, lock and replication, from the store itself')
    .argument('[place]', 'a bucket, or a bucket and the beginning of keys: papers/2026/')
    .option('--versions', 'all versions, and delete markers')
    .option('--json', 'print one JSON object for each, a line each')
  addOptionFlags(command, [...STORE_OPTIONS, ...MESH_OPTIONS])
  return command.action(async (place: string | undefined, flags: { versions?: boolean; json?: boolean }) => {
    const [bucket, ...prefix] = place?.replace(/^s3:\/\//, '').split('/') ?? []
    await withStore(command, async (mesh) => {
      const { inventoryOf } = await import('@coffer/service-rotation/inventory')
      const scope = { bucket: bucket || undefined, prefix: prefix.join('/'), versions: flags.versions }
      for await (const item of inventoryOf(mesh, scope)) {
        await write(flags.json ? JSON.stringify(item) : lineOf(item, flags.versions ?? false))
        if (item.problem !== undefined) process.exitCode = 1
      }
    })
  })
}

/** Waits for a reader that is slower. */
async function write(line: string): Promise<void> {
  if (!process.stdout.write(`${line}\n`)) await once(process.stdout, 'drain')
}

function lineOf(item: InventoryItem, withVersion: boolean): string {
  const { masterKey, masterKeyVersion, storageClass = '-', encryption = '-' } = item
  return [
    item.lastModified,
    String(item.sizeBytes).padStart(SIZE_COLUMN),
    storageClass.padEnd(11),
    encryption.padEnd(8),
    masterKey === undefined ? '-' : `${masterKey}:${masterKeyVersion}`,
    ...(withVersion ? [item.versionId, stateOf(item)] : []),
    printable(`${item.bucket}/${item.key}`),
    ...(item.problem === undefined ? [] : [`(${item.problem})`]),
  ].join('  ')
}

/** A key may hold anything, also what a terminal would obey. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

function stateOf({ isDeleteMarker, isLatest }: InventoryItem): string {
  return `${isDeleteMarker ? 'marker' : 'object'}${isLatest ? ', latest' : ''}`.padEnd(14)
}
