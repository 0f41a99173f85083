import type { EventDescription, EventPlace, EventTargetStatus } from '@coffer/contracts'
import type { Mesh } from '@coffer/mesh'
import Table from 'cli-table3'
import { Command, InvalidArgumentError } from 'commander'
import { addOptionFlags, MESH_OPTIONS, STORE_OPTIONS } from './option-flags.ts'
import { print, printJson } from './print.ts'
import { duration, durationText, positiveInteger } from './quantities.ts'
import { withStore } from './with-store.ts'

const LIST_DEFAULT = 50
const SERVICE_TIMEOUT_MS = 10_000

interface Json {
  readonly json?: boolean
}

export function eventsCommand(): Command {
  return new Command('events')
    .description('event notifications: what waits for its target, what was delivered, what could not be')
    .addCommand(statusCommand())
    .addCommand(listCommand('list', 'show the events that wait for a target, in the order of delivery', 'waiting'))
    .addCommand(listCommand('dead-letters', 'show the events that a target refused for good', 'dead-letters'))
    .addCommand(listCommand('kept', 'show the delivered events that may be replayed', 'kept'))
    .addCommand(replayCommand())
    .addCommand(redriveCommand())
}

function statusCommand(): Command {
  const command = new Command('status').description('show each target: what waits, for how long, and why')
  return withFlags(command).action(async ({ json }: Json) => {
    await withEvents(command, async (events) => {
      const status = await events.status()
      if (json) printJson(status)
      else print(renderStatus(status))
    })
  })
}

function listCommand(name: string, description: string, place: EventPlace): Command {
  const command = new Command(name)
    .description(description)
    .argument('<target>', 'as in the events file')
    .option('--limit <count>', 'at most', positiveInteger, LIST_DEFAULT)
    .option('--after <id>', 'those after this one', eventId, '')
  return withFlags(command).action(
    async (target: string, { json, limit, after }: Json & { limit: number; after: string }) => {
      await withEvents(command, async (events) => {
        const listed = await events.list({ target, place, afterId: after, limit })
        if (json) printJson(listed)
        else print(renderEvents(listed))
      })
    },
  )
}

function replayCommand(): Command {
  const command = new Command('replay')
    .description('deliver again what was delivered and is kept; message ids stay the same')
    .argument('<target>')
    .requiredOption('--since <time>', 'a date (2030-01-31T12:00Z), or how long ago (90m, 12h, 2d)', since)
  return withFlags(command).action(async (target: string, { json, since: sinceAt }: Json & { since: number }) => {
    await withEvents(command, async (events) => {
      const count = await events.replay({ target, sinceAt })
      if (json) printJson({ count })
      else print(`${count} events are delivered again`)
    })
  })
}

function redriveCommand(): Command {
  const command = new Command('redrive')
    .description('put dead letters back into the queue of their target')
    .argument('<target>')
    .option('--id <id>', 'this one only', eventId)
  return withFlags(command).action(async (target: string, { json, id }: Json & { id?: string }) => {
    await withEvents(command, async (events) => {
      const count = await events.redrive({ target, ...(id !== undefined && { id }) })
      if (json) printJson({ count })
      else print(`${count} events are tried again`)
    })
  })
}

async function withEvents(
  command: Command,
  work: (events: ReturnType<typeof eventsOf>) => Promise<void>,
): Promise<void> {
  await withStore(command, async (mesh) => {
    await mesh.waitFor(['events'], SERVICE_TIMEOUT_MS)
    await work(eventsOf(mesh))
  })
}

function eventsOf(mesh: Mesh) {
  return mesh.use('events')
}

function withFlags(command: Command): Command {
  command.option('--json', 'print JSON')
  return addOptionFlags(command, [...STORE_OPTIONS, ...MESH_OPTIONS])
}

function renderStatus(status: readonly EventTargetStatus[]): string {
  if (status.length === 0) return 'no events, and no target has had any'
  const table = new Table({
    head: ['target', 'waiting', 'lag', 'dead letters', 'dropped', 'kept', 'state'],
    style: { head: [], border: [] },
  })
  for (const { target, waitingCount, lagMs, deadLetterCount, droppedCount, keptCount, relay } of status) {
    const failure = relay?.failure
    const state = failure ? `${failure.reason}, ${failure.attempts} attempts` : (relay?.state ?? 'no relay yet')
    table.push([target, waitingCount, durationText(lagMs), deadLetterCount, droppedCount, keptCount, state])
  }
  return table.toString()
}

function renderEvents(events: readonly EventDescription[]): string {
  if (events.length === 0) return 'none'
  const table = new Table({ head: ['id', 'time', 'event', 'bucket', 'key', 'why'], style: { head: [], border: [] } })
  for (const { id, createdAt, eventName, bucket, key, note } of events) {
    // A key may hold control characters, which a terminal would obey.
    table.push([id, new Date(createdAt).toISOString(), eventName, bucket, JSON.stringify(key).slice(1, -1), note])
  }
  return table.toString()
}

function eventId(text: string): string {
  if (!/^[0-9a-f]{16}$/.test(text)) throw new InvalidArgumentError('Ids are 16 hex characters.')
  return text
}

function since(text: string): number {
  if (/^\d{1,9}[smhd]$/.test(text)) return Date.now() - duration(text)
  const at = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?Z)?$/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(at)) throw new InvalidArgumentError('A date like 2030-01-31T12:00Z, or a time like 90m, 12h or 2d.')
  return at
}
