import { resolve } from 'node:path'
import { Command } from 'commander'
import { startJob, withStartFlags } from './job-command.ts'
import { configurationValues } from './option-flags.ts'
import { positiveInteger, sizeOf } from './quantities.ts'

interface AdoptFlags {
  readonly from: string
  readonly credentialsFile: string
  readonly to: string
  readonly prefix?: string
  readonly versions?: true
  readonly dryRun?: true
  readonly objectsPerSecond?: number
  readonly bytesPerSecond?: number
}

export function adoptCommand(): Command {
  const command = new Command('adopt')
    .description(
      'take over the objects of a bucket at another S3 store, encrypting them on the way: a job of the server',
    )
    .requiredOption('--from <url>', 'https://host:port/bucket; it is only read')
    .requiredOption('--credentials-file <path>', 'its access key, where the job runs (docs/adopt.md); mode 600')
    .requiredOption('--to <bucket>', 'the bucket here')
    .option('--prefix <prefix>', 'only keys that begin with it')
    .option('--versions', 'all versions and delete markers, in their order; default: current objects')
    .option('--dry-run', 'only compare and count')
    .option('--objects-per-second <count>', 'at most', positiveInteger)
    .option('--bytes-per-second <size>', 'at most, such as 50MiB', sizeOf)
  return withStartFlags(command).action(async (flags: AdoptFlags) => await adopt(flags, command))
}

async function adopt(flags: AdoptFlags, command: Command): Promise<void> {
  const { to, prefix, versions, dryRun, objectsPerSecond, bytesPerSecond } = flags
  const { assertSourceOpens, sourcePlaceOf } = await import('../adopt-source.ts')
  const isHere = configurationValues(command).natsUrl === undefined
  const from = sourcePlaceOf(flags.from, isHere ? resolve(flags.credentialsFile) : flags.credentialsFile)
  // In a mesh the file is where the rotation service is.
  if (isHere) await assertSourceOpens(from)
  const request = {
    from,
    bucket: to,
    ...(prefix !== undefined && { prefix }),
    ...(versions && { versions }),
    ...(dryRun && { dryRun }),
    ...(objectsPerSecond !== undefined && { objectsPerSecond }),
    ...(bytesPerSecond !== undefined && { bytesPerSecond }),
  }
  await startJob({ kind: 'adopt', request }, command)
}
