import type { Configuration } from '@coffer/config'
import type { MoveProgress, MoveReport } from '@coffer/metadata-store/move'
import { abandonMigration, migrateOnline, migrationStatus } from '../migrate-online.ts'
import type { MigrateOptions } from './migrate-command.ts'
import { print, printJson } from './print.ts'

/** Lines where nobody looks: one a phase or table, and one in so long a time. */
const LINE_EVERY_MS = 10_000

const COMPARED = {
  rows: 'all rows of both sides were compared, and once more while nothing was written',
  counts: 'all rows of both sides were compared, and while nothing was written their numbers',
  nothing: 'all rows of both sides were compared before the last changes',
} as const satisfies Record<MoveReport['compared'], string>

/** `coffer migrate metadata --online`. */
export async function runOnline(
  { from, to, status, abort, json }: MigrateOptions,
  configuration: Configuration,
): Promise<void> {
  if (status) {
    const found = await migrationStatus({ from, to }, configuration)
    if (json) return printJson(found)
    const running = found.isRunning ? 'its process runs' : 'no process runs'
    const slowed = found.isSlowed ? ', writes wait now and then, so that it can catch up' : ''
    return print(`${found.phase}: ${running}, ${found.journaledCount} changes in the journal${slowed}`)
  }
  if (abort) {
    await abandonMigration({ from, to }, configuration)
    return json ? printJson({ phase: 'none' }) : print('the migration is abandoned: the metadata is where it was')
  }
  const report = await migrateOnline({ from, to }, configuration, progressLines())
  if (process.stderr.isTTY) process.stderr.write('\n')
  if (json) return printJson({ to, ...report })
  for (const { table, rowCount, digest } of report?.tables ?? []) {
    print(`${table.padEnd(18)} ${String(rowCount).padStart(10)} rows${digest === undefined ? '' : `  ${digest}`}`)
  }
  if (report) print(`${COMPARED[report.compared]}; ${report.replayedCount} changes were made meanwhile`)
  if (report && report.heldMs > 0) {
    print(
      `writes came faster than they could be copied: they waited for ${report.heldMs} ms in all, and were made then`,
    )
  }
  if (report) print(`writes were refused for ${report.fenceMs} ms`)
  print(
    `the metadata is on ${to}: servers and services that used it begin anew by themselves, if they can know where it is`,
  )
}

function progressLines(): (progress: MoveProgress) => void {
  let last = ''
  let lastAt = 0
  return (progress) => {
    const subject = 'table' in progress ? `${progress.phase} ${progress.table}` : progress.phase
    const text = `${subject}${figuresOf(progress)}`
    if (process.stderr.isTTY) {
      process.stderr.write(`\r${text}\u001b[K`)
      return
    }
    if (subject === last && Date.now() - lastAt < LINE_EVERY_MS) return
    last = subject
    lastAt = Date.now()
    process.stderr.write(`${text}\n`)
  }
}

function figuresOf(progress: MoveProgress): string {
  if (progress.phase === 'fence') return ''
  if (progress.phase !== 'catch-up') return `: ${progress.rowCount}`
  const { leftCount, replayedPerSecond, heldMs, openMs } = progress
  const waits = heldMs === 0 ? '' : `; writes wait ${heldMs} of ${heldMs + openMs} ms`
  return `: ${leftCount} changes left, ${replayedPerSecond} a second${waits}`
}
