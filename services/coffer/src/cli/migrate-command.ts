import { Command, Option } from 'commander'
import type { MetadataKind } from '../migrate-metadata.ts'
import { migrateBlobsCommand } from './job-command.ts'
import { addOptionFlags, configurationValues } from './option-flags.ts'

const KINDS: readonly MetadataKind[] = ['lmdb', 'postgresql']

export function migrateCommand(): Command {
  return new Command('migrate')
    .description('move metadata between engines, or object data between stores')
    .addCommand(metadataCommand())
    .addCommand(migrateBlobsCommand())
}

function metadataCommand(): Command {
  const command = new Command('metadata')
    .description(
      'move the metadata between the data directory (lmdb) and a database (postgresql), and compare both sides; no server may run meanwhile',
    )
    .addOption(new Option('--from <engine>', 'where it is').choices(KINDS).makeOptionMandatory())
    .addOption(new Option('--to <engine>', 'where it shall be').choices(KINDS).makeOptionMandatory())
  addOptionFlags(command, [
    'dataDir',
    'metadataUrl',
    'metadataPasswordFile',
    'metadataCaFile',
    'metadataCertFile',
    'metadataKeyFile',
  ])
  return command.action(async ({ from, to }: { from: MetadataKind; to: MetadataKind }) => {
    if (from === to) return command.error('error: --from and --to are the same')
    const { migrateMetadata } = await import('../migrate-metadata.ts')
    const reports = await migrateMetadata(to, configurationValues(command), (table, rowCount) => {
      if (process.stderr.isTTY) process.stderr.write(`\r${table}: ${rowCount} rows\u001b[K`)
    })
    if (process.stderr.isTTY) process.stderr.write('\n')
    for (const { table, rowCount, digest } of reports) {
      process.stdout.write(`${table.padEnd(18)} ${String(rowCount).padStart(10)} rows  ${digest}\n`)
    }
    process.stdout.write(`the metadata is on ${to}: both sides were read again and are the same\n`)
  })
}
