import { hostname, userInfo } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Job, Timetable } from '@coffer/job-queue'
import type { Mesh } from '@coffer/mesh'
import { Command } from 'commander'
import { isRunning } from '../is-running.ts'
import { jobKindCommands, moveRequest, withMove } from './job-kinds.ts'
import { renderJob, renderJobs, renderProgress, renderSchedules } from './job-tables.ts'
import { addOptionFlags, configurationValues, MESH_OPTIONS, STORE_OPTIONS } from './option-flags.ts'
import { print, printJson } from './print.ts'
import { duration, positiveInteger } from './quantities.ts'
import { withStore } from './with-store.ts'

const LIST_DEFAULT = 50
const FOLLOW_POLL_MS = 500
/** How often who follows a job is to know whether anyone is there to run it. */
const LOOK_FOR_SERVER_MS = 5_000

interface Json {
  readonly json?: boolean
}

export function jobCommand(): Command {
  const start = new Command('start').description('put a job into the queue; the server, or the mesh, runs it')
  for (const command of jobKindCommands(withStartFlags, startJob)) start.addCommand(command)
  return new Command('job')
    .description('work on many objects or keys that goes on behind requests: start, watch, pause, resume, cancel it')
    .addCommand(start)
    .addCommand(listCommand())
    .addCommand(oneJobCommand('show', 'show a job', (mesh, id) => mesh.use('rotation').findJob(id)))
    .addCommand(followCommand())
    .addCommand(
      oneJobCommand('pause', 'let a job rest after what is under way', (mesh, id) => mesh.use('rotation').pauseJob(id)),
    )
    .addCommand(oneJobCommand('resume', 'go on with a paused job', (mesh, id) => mesh.use('rotation').resumeJob(id)))
    .addCommand(
      oneJobCommand('cancel', 'end a job; what it has done stays done', (mesh, id) =>
        mesh.use('rotation').cancelJob(id),
      ),
    )
    .addCommand(scheduleCommand())
}

/** `coffer migrate blobs`: the job, and how far it is. */
export function migrateBlobsCommand(): Command {
  const command = withMove(new Command('blobs'))
    .description('move object data between the stores of the blobs file, beside a running server; goes on where it was')
    .option('--no-follow', 'put the job into the queue and end')
  return withFlags(command).action(async () => {
    await startJob({ kind: 'move-blobs', request: moveRequest(command.opts()) }, command)
  })
}

export function withStartFlags(command: Command): Command {
  return withFlags(command.option('--follow', 'stay until it has ended, and tell how far it is'))
}

/** Puts a job into the queue, and with --follow stays until it has ended. */
export async function startJob(job: Pick<Job, 'kind' | 'request'>, command: Command): Promise<void> {
  const { json, follow: stays } = command.opts<Json & { follow?: boolean }>()
  await withStore(command, async (mesh) => {
    const submitted = await mesh.use('rotation').submitJob({ ...job, submittedBy: whoAsks() })
    if (!stays) tellWhereNobodyRuns(command)
    show((stays && (await follow(mesh, submitted.id, command))) || submitted, json)
  })
}

function listCommand(): Command {
  const command = new Command('list')
    .description('show jobs, the newest first')
    .option('--limit <count>', 'at most', positiveInteger, LIST_DEFAULT)
  return withFlags(command).action(async ({ json, limit }: Json & { limit: number }) => {
    await withStore(command, async (mesh) => {
      const jobs = await mesh.use('rotation').listJobs({ limit })
      if (json) printJson(jobs)
      else print(renderJobs(jobs))
    })
  })
}

function oneJobCommand(
  name: string,
  description: string,
  work: (mesh: Mesh, id: string) => Promise<Job | undefined>,
): Command {
  const command = new Command(name).description(description).argument('<job>', 'as `coffer job list` shows it')
  return withFlags(command).action(async (id: string, { json }: Json) => {
    await withStore(command, async (mesh) => {
      const job = await work(mesh, id)
      if (job === undefined) return noSuchJob(command, id)
      show(job, json)
    })
  })
}

function followCommand(): Command {
  const command = new Command('follow').description('tell how far a job is, until it has ended').argument('<job>')
  return withFlags(command).action(async (id: string, { json }: Json) => {
    await withStore(command, async (mesh) => {
      const job = await follow(mesh, id, command)
      if (job === undefined) return noSuchJob(command, id)
      show(job, json)
    })
  })
}

function scheduleCommand(): Command {
  const add = new Command('add').description('start a job again and again')
  for (const command of jobKindCommands(withScheduleFlags, putSchedule)) add.addCommand(command)
  const list = new Command('list').description('show the schedules')
  withFlags(list).action(async ({ json }: Json) => {
    await withStore(list, async (mesh) => {
      const schedules = await mesh.use('rotation').listSchedules()
      if (json) printJson(schedules)
      else print(renderSchedules(schedules))
    })
  })
  const remove = new Command('remove').description('end a schedule; its jobs stay').argument('<schedule>')
  withFlags(remove).action(async (name: string) => {
    await withStore(remove, async (mesh) => await mesh.use('rotation').removeSchedule(name))
  })
  return new Command('schedule')
    .description('jobs at given times, such as a rotation every 90 days')
    .addCommand(add)
    .addCommand(list)
    .addCommand(remove)
}

function withScheduleFlags(command: Command): Command {
  return withFlags(command)
    .requiredOption('--name <name>', 'name of the schedule; one of the same name is replaced')
    .option('--cron <expression>', 'five fields, in UTC, such as "0 3 * * 0"')
    .option('--every <time>', 'such as 90d or 12h', duration)
}

async function putSchedule(job: Pick<Job, 'kind' | 'request'>, command: Command): Promise<void> {
  const { json, name, cron, every } = command.opts<Json & { name: string; cron?: string; every?: number }>()
  if ((cron === undefined) === (every === undefined)) command.error('Give either --cron or --every.')
  const timetable: Timetable = cron === undefined ? { everyMs: every ?? 0 } : { cron }
  await withStore(command, async (mesh) => {
    const schedule = await mesh.use('rotation').putSchedule({ ...job, name, timetable, submittedBy: whoAsks() })
    if (json) printJson(schedule)
    else print(renderSchedules([schedule]))
  })
}

/** The job when it has ended. Lines of its progress go to standard error: the answer is on standard output. */
async function follow(mesh: Mesh, id: string, command: Command): Promise<Job | undefined> {
  let told = ''
  let lookAt = 0
  let isAlone = false
  for (;;) {
    const job = await mesh.use('rotation').findJob(id)
    if (job === undefined) return undefined
    const line = renderProgress(job)
    if (line !== told) process.stderr.write(`${line}\n`)
    told = line
    if (job.endedAt !== undefined || job.state === 'paused') {
      if (!wentWell(job)) process.exitCode = 1
      return job
    }
    if (Date.now() >= lookAt) {
      isAlone = isAlone ? nobodyRuns(command) : tellWhereNobodyRuns(command)
      lookAt = Date.now() + LOOK_FOR_SERVER_MS
    }
    await sleep(FOLLOW_POLL_MS)
  }
}

/** Of all kinds: what its result names as failed, damaged, or not done. */
const TROUBLES = ['failures', 'damaged', 'incomplete'] as const

function wentWell({ state, result }: Job): boolean {
  const hasTrouble = TROUBLES.some((name) => {
    const found = result?.[name]
    return Array.isArray(found) && found.length > 0
  })
  return state === 'completed' && !hasTrouble && Number(result?.failedCount ?? 0) === 0
}

/** On a mesh the rotation service has answered; on a data directory the store itself has. */
function nobodyRuns(command: Command): boolean {
  const configuration = configurationValues(command)
  return configuration.natsUrl === undefined && !isRunning(configuration)
}

function tellWhereNobodyRuns(command: Command): boolean {
  const isAlone = nobodyRuns(command)
  if (isAlone) process.stderr.write('no server runs on this data directory: the job waits for one\n')
  return isAlone
}

function noSuchJob(command: Command, id: string): never {
  command.error(`There is no job ${id}. \`coffer job list\` shows those that there are.`)
}

function show(job: Job, json: boolean | undefined): void {
  if (json) printJson(job)
  else print(renderJob(job))
}

function withFlags(command: Command): Command {
  command.option('--json', 'print JSON')
  return addOptionFlags(command, [...STORE_OPTIONS, ...MESH_OPTIONS])
}

/** For the record: the mesh and the store have no users of the operating system. */
function whoAsks(): string {
  return `${userInfo().username}@${hostname()}`
}
