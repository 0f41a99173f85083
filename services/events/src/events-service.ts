import type { EventDescription, EventsService, EventTargetReport, EventTargetStatus } from '@coffer/contracts'
import type { Mesh } from '@coffer/mesh'
import type { OutboxEntry } from '@coffer/metadata-store'
import { findDropped } from './dropped-events.ts'
import { MessageOpener } from './message-opener.ts'
import { queueOf, targetOf } from './queues.ts'
import { REPORTS_TABLE, reportId } from './reports.ts'

const COUNT_MAX = 100_000
const PAGE = 1_000

/** What there is to know and to do about the queues of the outbox. Delivering is the relay's. */
export function createEventsService({ mesh }: { readonly mesh: Mesh }): EventsService {
  const metadata = mesh.use('metadata')
  const opener = new MessageOpener(mesh)

  async function statusOf(target: string): Promise<EventTargetStatus> {
    const count = (place: Parameters<typeof queueOf>[1]) => metadata.countEvents(queueOf(target, place), COUNT_MAX)
    const waiting = queueOf(target, 'waiting')
    const [first] = await metadata.listEvents({ queue: waiting, afterId: '', limit: 1 })
    const report = await metadata.findRecord(REPORTS_TABLE, reportId(target))
    const dropped = await findDropped(metadata, target)
    return {
      target,
      waitingCount: await count('waiting'),
      lagMs: first === undefined ? 0 : Math.max(0, Date.now() - first.createdAt),
      deadLetterCount: await count('dead-letters'),
      keptCount: await count('kept'),
      droppedCount: dropped?.count ?? 0,
      ...(dropped && { lastDroppedAt: dropped.lastAt }),
      ...(report && { relay: JSON.parse(Buffer.from(report.value).toString()) as EventTargetReport }),
    }
  }

  /** A kept event and a dead letter are sealed for the queue that they were committed into. */
  async function describe(target: string, entry: OutboxEntry): Promise<EventDescription> {
    const { id, createdAt, note } = entry
    const message = await opener.open(queueOf(target, 'waiting'), entry)
    const { bucket = '?', eventName = '?', key = '?' } = message ?? {}
    return { id, target, createdAt, note, bucket, eventName, key }
  }

  /** Moves what `wants` picks, page by page. */
  async function moveBack(from: string, target: string, wants: (entry: OutboxEntry) => boolean): Promise<number> {
    let afterId = ''
    let moved = 0
    for (;;) {
      const entries = await metadata.listEvents({ queue: from, afterId, limit: PAGE })
      const ids = entries.filter(wants).map(({ id }) => id)
      if (ids.length > 0) moved += await metadata.moveEvents({ queue: from, ids, to: queueOf(target, 'waiting') })
      if (entries.length < PAGE) return moved
      afterId = entries.at(-1)?.id ?? ''
    }
  }

  return {
    async status() {
      const reports = await metadata.listRecords(REPORTS_TABLE, { prefix: reportId(''), afterId: '', limit: PAGE })
      const reported = reports.map(({ id }) => id.slice(reportId('').length))
      const queued = (await metadata.listEventQueues()).flatMap((queue) => targetOf(queue) ?? [])
      const targets = [...new Set([...reported, ...queued])].sort()
      return await Promise.all(targets.map(statusOf))
    },
    async list({ target, place, afterId, limit }) {
      const query = { queue: queueOf(target, place), afterId, limit: Math.min(limit, PAGE) }
      const entries = await metadata.listEvents(query)
      return await Promise.all(entries.map((entry) => describe(target, entry)))
    },
    async replay({ target, sinceAt }) {
      return await moveBack(queueOf(target, 'kept'), target, ({ createdAt }) => createdAt >= sinceAt)
    },
    async redrive({ target, id }) {
      return await moveBack(queueOf(target, 'dead-letters'), target, (entry) => id === undefined || entry.id === id)
    },
  }
}

export function provideEvents(mesh: Mesh, service: EventsService): Promise<void> {
  return mesh.provide('events', service, ['list', 'redrive', 'replay', 'status'])
}
