import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import type { StatusReport } from '../status/status-report.ts'
import { addOptionFlags, configurationValues, MESH_OPTIONS, STORE_OPTIONS } from './option-flags.ts'
import { print, printJson } from './print.ts'
import { duration } from './quantities.ts'
import { renderStatus } from './status-tables.ts'

const EVERY_MS = 5_000
/** ECMA-48: cursor to the first line, and what is below it erased. */
const CLEAR = '\u001b[H\u001b[J'

interface StatusOptions {
  readonly json?: boolean
  readonly once?: boolean
  readonly every: number
}

export function statusCommand(): Command {
  const command = new Command('status')
    .description('show processes, stores, queues, keys, events, replication and the audit trail, again and again')
    .option('--once', 'show it once; exit code 1 where something has to be put right')
    .option('--every <time>', 'how long to wait before it is shown again, such as 10s', duration, EVERY_MS)
    .option('--json', 'print JSON: without --once a line each time')
  addOptionFlags(command, [...STORE_OPTIONS, ...MESH_OPTIONS])
  return command.action(async ({ json = false, once = false, every }: StatusOptions) => {
    const configuration = configurationValues(command)
    const { openStoreFor } = await import('./open-store.ts')
    const { StatusGatherer } = await import('../status/gather-status.ts')
    await openStoreFor(
      configuration,
      async (mesh) => {
        const gatherer = new StatusGatherer(mesh, configuration)
        if (once) return showOnce(await gatherer.gather(), json)
        // `coffer status | head` is a reader who has had enough.
        process.stdout.on('error', () => process.exit(0))
        for (;;) {
          showAgain(await gatherer.gather(), json)
          await sleep(every)
        }
      },
      { takesWhatIsThere: true },
    )
  })
}

function showOnce(report: StatusReport, json: boolean): void {
  if (json) printJson(report)
  else print(renderStatus(report))
  if (!report.isHealthy) process.exitCode = 1
}

function showAgain(report: StatusReport, json: boolean): void {
  if (json) print(JSON.stringify(report))
  else print(`${process.stdout.isTTY ? CLEAR : ''}${renderStatus(report)}`)
}
