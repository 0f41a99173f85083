import { invariant } from '@coffer/errors'
import type { EventMove } from '../../metadata-store.ts'
import type { EventId, OutboxEntry, OutboxEvent } from '../../records.ts'
import type { Databases } from './databases.ts'
import { afterPrefix, justAfter } from './keys.ts'
import { RowReader } from './row.ts'
import { type Row, readRow, scan } from './table.ts'
import { assertUint48 } from './version-row.ts'
import type { WriteBatch } from './write-batch.ts'

/*
 * Rows of `outbox`: queue | 00 | event number (8); value: created at (6), in format 2 what it weighs (6), note (text), payload to
 * the end. What the entries of format 2 of a queue are, and weigh, is counted beside the uses of keys, by names that no key has.
 */
const WITH_WEIGHT = 2
const QUEUE_BYTES_MAX = 256
const PAYLOAD_BYTES_MAX = 64 * 1024
const NOTE_BYTES_MAX = 1024
const ID_BYTES = 8
const ID_PATTERN = /^[0-9a-f]{16}$/
const NUL = Buffer.from([0])

/** What the events of a change add to a batch. */
export function eventBytes(events: readonly OutboxEvent[] | undefined): number {
  return events?.reduce((sum, { payload }) => sum + payload.length, 0) ?? 0
}

/** Before the first write of a change. */
export function assertEvents(events: readonly OutboxEvent[] | undefined): void {
  for (const { queue, payload, weightBytes } of events ?? []) {
    queuePrefix(queue)
    if (weightBytes !== undefined) assertUint48(weightBytes, 'a weight')
    invariant(payload.length <= PAYLOAD_BYTES_MAX, 'an event has at most 64 KiB')
  }
}

export function appendEvents(batch: WriteBatch, events: readonly OutboxEvent[] | undefined): void {
  if (events === undefined || events.length === 0) return
  assertEvents(events)
  const createdAt = Date.now()
  for (const { queue, payload, weightBytes } of events) {
    const id = batch
      .nextEventNumber()
      .toString(16)
      .padStart(2 * ID_BYTES, '0')
    const entry = { id, createdAt, note: '', payload, ...(weightBytes !== undefined && { weightBytes }) }
    putEntry(batch, queuePrefix(queue), entry)
    countEntry(batch, queue, entry, 1)
  }
}

export function listEvents(
  databases: Databases,
  { queue, afterId, limit }: { queue: string; afterId: EventId | ''; limit: number },
): readonly OutboxEntry[] {
  const prefix = queuePrefix(queue)
  const start = afterId === '' ? prefix : justAfter(entryKey(prefix, afterId))
  return Array.from(scan(databases.outbox, { prefix, start, limit }), decodeEntry)
}

export function moveEvents(batch: WriteBatch, { queue, ids, to, note = '' }: EventMove): number {
  const { outbox } = batch.databases
  const from = queuePrefix(queue)
  const target = to === undefined ? undefined : queuePrefix(to)
  invariant(Buffer.byteLength(note) <= NOTE_BYTES_MAX, 'a note has at most 1,024 bytes')
  const rows: Row[] = []
  for (const id of new Set(ids)) {
    const key = entryKey(from, id)
    const value = readRow(outbox, key)
    if (value) rows.push({ key, value })
  }
  const entries = rows.map(decodeEntry)
  for (const { key } of rows) batch.remove(outbox, key)
  for (const entry of entries) {
    if (target) putEntry(batch, target, { ...entry, note })
    countEntry(batch, queue, entry, -1)
    if (to !== undefined) countEntry(batch, to, entry, 1)
  }
  return rows.length
}

export function countEvents(databases: Databases, queue: string, countMax: number): number {
  const start = queuePrefix(queue)
  const end = afterPrefix(start)
  let count = 0
  for (const _ of databases.outbox.getKeys({ start, ...(end && { end }), limit: countMax })) count += 1
  return count
}

export function listEventQueues(databases: Databases): readonly string[] {
  const queues: string[] = []
  let start: Buffer | undefined = NUL
  while (start) {
    let prefix: Buffer | undefined
    for (const { key } of scan(databases.outbox, { start, limit: 1 })) prefix = key.subarray(0, key.length - ID_BYTES)
    if (prefix) queues.push(prefix.toString('utf8', 0, prefix.length - NUL.length))
    start = prefix && afterPrefix(prefix)
  }
  return queues
}

/** The names of what is counted of a queue. */
export function queueCounters(queue: string): { readonly entries: string; readonly bytes: string } {
  return { entries: `\0queue entries\0${queue}`, bytes: `\0queue bytes\0${queue}` }
}

function countEntry(batch: WriteBatch, queue: string, { weightBytes }: OutboxEntry, sign: 1 | -1): void {
  if (weightBytes === undefined) return
  const { entries, bytes } = queueCounters(queue)
  batch.counter(entries).add(sign)
  if (weightBytes > 0) batch.counter(bytes).add(sign * weightBytes)
}

function putEntry(batch: WriteBatch, prefix: Buffer, entry: OutboxEntry): void {
  const { id, createdAt, note, payload, weightBytes } = entry
  const key = entryKey(prefix, id)
  const row =
    weightBytes === undefined
      ? batch.rows.begin().uint48(createdAt)
      : batch.rows.begin(WITH_WEIGHT).uint48(createdAt).uint48(weightBytes)
  batch.put(batch.databases.outbox, key, row.text(note).bytes(payload).finish(key))
}

function decodeEntry({ key, value }: Row): OutboxEntry {
  const reader = new RowReader('event', value, key, WITH_WEIGHT)
  const id = key.toString('hex', key.length - ID_BYTES)
  const createdAt = reader.uint48()
  const weight = reader.format === WITH_WEIGHT ? { weightBytes: reader.uint48() } : {}
  return { id, createdAt, ...weight, note: reader.text(), payload: reader.rest() }
}

export function queuePrefix(queue: string): Buffer {
  const prefix = Buffer.from(`${queue}\0`)
  const fits = queue !== '' && prefix.length <= QUEUE_BYTES_MAX + 1 && queue.isWellFormed()
  invariant(fits && !queue.includes('\0'), 'a queue is named by 1 to 256 bytes without NUL')
  return prefix
}

function entryKey(prefix: Buffer, id: EventId): Buffer {
  invariant(ID_PATTERN.test(id), 'an event id is 16 lower-case hex characters')
  return Buffer.concat([prefix, Buffer.from(id, 'hex')])
}
