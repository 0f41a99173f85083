import type { LifecyclePosition, LifecycleReport } from '@coffer/contracts'
import type { Mesh } from '@coffer/mesh'
import { Command, InvalidArgumentError } from 'commander'
import { haveTransitionsMade } from '../lifecycle-transitions.ts'
import { addOptionFlags, MESH_OPTIONS, STORE_OPTIONS } from './option-flags.ts'
import { withStore } from './with-store.ts'

/** Failures that are printed; the rest are counted. */
const FAILURES_MAX = 100

export function lifecycleCommand(): Command {
  return new Command('lifecycle')
    .description('apply the lifecycle rules of all buckets; the server does so by itself once a day')
    .addCommand(runCommand())
    .addCommand(previewCommand())
}

function runCommand(): Command {
  const command = new Command('run').description('apply what is due now; also beside a running server')
  return withFlags(command).action(async ({ json }: { json?: boolean }) => {
    await withStore(command, async (mesh) => {
      const report = await walk(mesh)
      if (report.transitionsDue > 0) await haveTransitionsMade(mesh)
      print(report, json ?? false, '')
    })
  })
}

function previewCommand(): Command {
  const command = new Command('preview')
    .description('tell what would be done, and change nothing')
    .option('--at <date>', 'as of this time (ISO 8601); default: now', parseTime)
  return withFlags(command).action(async ({ json, at }: { json?: boolean; at?: number }) => {
    await withStore(command, async (mesh) => {
      print(await walk(mesh, at ?? Date.now()), json ?? false, 'would be ')
    })
  })
}

function withFlags(command: Command): Command {
  command.option('--json', 'print JSON')
  addOptionFlags(command, [...STORE_OPTIONS, ...MESH_OPTIONS])
  return command
}

function parseTime(text: string): number {
  const at = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?Z)?$/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(at)) throw new InvalidArgumentError('expected a date like 2030-01-31 or 2030-01-31T12:00Z')
  return at
}

async function walk(mesh: Mesh, previewAt?: number): Promise<LifecycleReport> {
  const rotation = mesh.use('rotation')
  const total = {
    versionsSeen: 0,
    expired: 0,
    noncurrentRemoved: 0,
    deleteMarkersRemoved: 0,
    uploadsAborted: 0,
    locked: 0,
    transitionsDue: 0,
  }
  const failures: { what: string; code: string }[] = []
  let position: LifecyclePosition | undefined
  do {
    const step = await rotation.applyLifecycle({
      ...(position && { position }),
      ...(previewAt !== undefined && { previewAt }),
    })
    for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += step.report[name]
    failures.push(...step.report.failures)
    position = step.next
  } while (position !== undefined)
  return { ...total, failures }
}

function print(report: LifecycleReport, asJson: boolean, would: string): void {
  process.stdout.write(asJson ? `${JSON.stringify(report, undefined, 2)}\n` : renderReport(report, would))
  if (report.failures.length > 0) process.exitCode = 1
}

function renderReport(report: LifecycleReport, would: string): string {
  const lines = [
    `${report.versionsSeen} versions seen`,
    `${report.expired} objects ${would}expired`,
    `${report.noncurrentRemoved} noncurrent versions ${would}removed`,
    `${report.deleteMarkersRemoved} delete markers ${would}removed that hide nothing`,
    `${report.uploadsAborted} uploads ${would}aborted`,
    `${report.locked} versions due but locked`,
    `${report.transitionsDue} versions ${would}moved to another storage class, by a job`,
    `${report.failures.length} failed`,
    ...report.failures.slice(0, FAILURES_MAX).map(({ what, code }) => `  ${what}: ${code}`),
  ]
  return `${lines.join('\n')}\n`
}
