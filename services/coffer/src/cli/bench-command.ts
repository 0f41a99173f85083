import type { SingleBar } from 'cli-progress'
import { Command, InvalidArgumentError, Option } from 'commander'
import { type LoadOperation, type LoadOptions, OPERATIONS, SSE_MODES, type SseMode } from '../bench/load-options.ts'
import { ACCESS_KEY_HELP, s3EndpointOf } from './s3-endpoint.ts'

interface BenchFlags {
  readonly endpoint: readonly string[]
  readonly credentialsFile?: readonly string[]
  readonly size: readonly number[]
  readonly ops: readonly LoadOperation[]
  readonly connections?: number
  readonly objects?: number
  readonly duration: number
  readonly warmUp?: number
  readonly slice: number
  readonly sse: SseMode
  readonly region: string
  readonly bucket?: string
  readonly caFile?: string
  readonly insecure?: boolean
  readonly json?: boolean
}

export function benchCommand(): Command {
  return new Command('bench')
    .description('put any S3 endpoint under load; given two, they take turns and are compared')
    .requiredOption('--endpoint <url>', 'http(s)://host:port; may be given twice', collect)
    .option(
      '--credentials-file <path>',
      'access key as in secrets/root-credentials; one for each endpoint, or one for all',
      collect,
    )
    .option('--size <sizes>', 'object sizes, such as 4KiB,1MiB', parseSizes, [4096, 1_048_576, 33_554_432])
    .option('--ops <names>', `of ${OPERATIONS.join(', ')}`, parseOperations, [...OPERATIONS])
    .option('--connections <count>', 'at once (default: 32, 16 or 8, by size)', parseCount)
    .option('--objects <count>', 'different names for each size (default: 16 to 10,000, by size)', parseCount)
    .option('--duration <seconds>', 'for each operation, size and endpoint', parseCount, 10)
    .option('--warm-up <seconds>', 'load of the same kind before each measurement (default: none)', parseCount)
    .option('--slice <seconds>', 'length of a turn when there are two endpoints', parseCount, 2)
    .addOption(new Option('--sse <mode>', 'encryption asked for').choices(SSE_MODES).default('none'))
    .option('--region <name>', 'region to sign for', 'us-east-1')
    .option('--bucket <name>', 'a bucket to use and leave in place (default: one is made and removed)')
    .option('--ca-file <path>', 'certificates that the server is checked against (default: AWS_CA_BUNDLE)')
    .option('--insecure', "don't check the server's certificate")
    .option('--json', 'print the report as JSON')
    .addHelpText('after', ACCESS_KEY_HELP)
    .action(runBench)
}

async function runBench(flags: BenchFlags): Promise<void> {
  const { runLoad } = await import('../bench/run-load.ts')
  const bar = flags.json ? undefined : await newProgressBar()
  const files = flags.credentialsFile ?? []
  const options: LoadOptions = {
    endpoints: await Promise.all(
      flags.endpoint.map((url, index) => s3EndpointOf(url, files[index] ?? files[0], flags)),
    ),
    operations: flags.ops,
    sizesBytes: flags.size,
    durationMs: flags.duration * 1000,
    sliceMs: flags.slice * 1000,
    sse: flags.sse,
    ...(flags.warmUp !== undefined && { warmUpMs: flags.warmUp * 1000 }),
    ...(flags.connections !== undefined && { connections: flags.connections }),
    ...(flags.objects !== undefined && { objectCount: flags.objects }),
    ...(flags.bucket !== undefined && { bucket: flags.bucket }),
    onProgress: ({ fraction, operation, sizeBytes }) => {
      bar?.update(Math.round(fraction * 1000), { operation: `${operation} ${sizeBytes} bytes` })
    },
  }
  bar?.start(1000, 0, { operation: '' })
  try {
    const report = await runLoad(options)
    bar?.stop()
    const { renderLoadReport } = await import('../bench/load-report.ts')
    process.stdout.write(flags.json ? `${JSON.stringify(report, undefined, 2)}\n` : renderLoadReport(report))
    if (report.results.some(({ errorCount }) => errorCount > 0)) process.exitCode = 1
  } finally {
    bar?.stop()
  }
}

async function newProgressBar(): Promise<SingleBar> {
  const { Presets, SingleBar } = await import('cli-progress')
  return new SingleBar({ format: '{bar} {percentage}% {operation}' }, Presets.rect)
}

function collect(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value]
}

function parseCount(text: string): number {
  const count = Number(text)
  if (Number.isSafeInteger(count) && count > 0) return count
  throw new InvalidArgumentError('Not a whole number above 0.')
}

const SIZE_UNITS: Readonly<Record<string, number>> = { '': 1, B: 1, KIB: 1024, MIB: 1_048_576, GIB: 1_073_741_824 }

function parseSizes(text: string): number[] {
  return text.split(',').map((size) => {
    const [, digits = '', unit = ''] = /^(\d+)([A-Za-z]*)$/.exec(size.trim()) ?? []
    const factor = SIZE_UNITS[unit.toUpperCase()]
    const sizeBytes = Number(digits) * (factor ?? Number.NaN)
    if (digits !== '' && sizeBytes <= 1_073_741_824) return sizeBytes
    throw new InvalidArgumentError('Sizes are like 4096, 4KiB or 32MiB, up to 1GiB, separated by commas.')
  })
}

function parseOperations(text: string): LoadOperation[] {
  return text.split(',').map((name) => {
    const operation = OPERATIONS.find((known) => known === name.trim())
    if (operation) return operation
    throw new InvalidArgumentError(`Allowed: ${OPERATIONS.join(', ')}, separated by commas.`)
  })
}
