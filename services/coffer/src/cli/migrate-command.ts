import { Command, Option } from 'commander'
import type { MetadataKind } from '../migrate-metadata.ts'
import { migrateBlobsCommand } from './job-command.ts'
import { addOptionFlags, configurationValues } from './option-flags.ts'
import { printJson } from './print.ts'

export interface MigrateOptions {
  readonly from: MetadataKind
  readonly to: MetadataKind
  readonly online?: boolean
  readonly status?: boolean
  readonly abort?: boolean
  readonly json?: boolean
}

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
      'move the metadata between the data directory (lmdb) and a database (postgresql), or from one database to the next, and compare both sides; run again, it goes on where it was stopped',
    )
    .addOption(new Option('--from <engine>', 'where it is').choices(KINDS).makeOptionMandatory())
    .addOption(new Option('--to <engine>', 'where it shall be').choices(KINDS).makeOptionMandatory())
    .option('--online', 'while servers use it; without, no server may run')
    .option('--status', 'with --online: tell how far it is')
    .option('--abort', 'with --online: leave everything as it was before')
    .option('--json', 'print JSON')
  addOptionFlags(command, [
    'dataDir',
    'metadataUrl',
    'metadataPasswordFile',
    'metadataCaFile',
    'metadataCertFile',
    'metadataKeyFile',
    'metadataNextUrl',
    'metadataNextPasswordFile',
    'metadataNextCaFile',
    'metadataNextCertFile',
    'metadataNextKeyFile',
  ])
  return command.action(async (options: MigrateOptions) => {
    const isBetweenDatabases = options.from === 'postgresql' && options.to === 'postgresql'
    if (options.from === options.to && !isBetweenDatabases) {
      return command.error('error: --from and --to are the same')
    }
    if (isBetweenDatabases && !options.online) {
      return command.error('error: from one database to the next: with --online, or by pg_dump while nothing runs')
    }
    const isOfOnline = options.status || options.abort
    if (isOfOnline && !options.online) return command.error('error: --status and --abort are of --online')
    const configuration = configurationValues(command)
    if (options.online) {
      const { runOnline } = await import('./migrate-online-command.ts')
      return await runOnline(options, configuration)
    }
    const { migrateMetadata } = await import('../migrate-metadata.ts')
    const reports = await migrateMetadata(options.to, configuration, (table, rowCount) => {
      if (process.stderr.isTTY) process.stderr.write(`\r${table}: ${rowCount} rows\u001b[K`)
    })
    if (process.stderr.isTTY) process.stderr.write('\n')
    if (options.json) return printJson({ tables: reports })
    for (const { table, rowCount, digest } of reports) {
      process.stdout.write(`${table.padEnd(18)} ${String(rowCount).padStart(10)} rows  ${digest}\n`)
    }
    process.stdout.write(`the metadata is on ${options.to}: both sides were read again and are the same\n`)
  })
}
