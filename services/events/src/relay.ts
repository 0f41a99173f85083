import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { EventTarget } from '@coffer/event-targets'
import type { Logger, Mesh } from '@coffer/mesh'
import { isListenerQueue } from '@coffer/object-record'
import { MessageOpener } from './message-opener.ts'
import { keepWithinLimits, type QueueLimits } from './queue-limits.ts'
import { queueOf } from './queues.ts'
import { REPORTS_TABLE, reportId } from './reports.ts'
import { TargetRelay } from './target-relay.ts'

const REPORT_MS = 5_000
const SWEEP_MS = 60_000
const LIMITS_MS = 10_000
/** A listener takes its events several times a second: what is older has none any more. */
const LISTENER_WAIT_MS_MAX = 120_000
const SWEEP_PAGE = 1_000

interface RelayOptions extends QueueLimits {
  readonly mesh: Mesh
  readonly logger: Logger
  readonly targets: ReadonlyMap<string, EventTarget>
  /** By target: whose buckets may use it; absent: all may. */
  readonly accounts?: ReadonlyMap<string, ReadonlySet<string>>
  readonly attemptsMax: number
  readonly waitMsMax: number
  /** How long delivered events are kept for a replay; 0: not at all. */
  readonly keepMs: number
}

interface Relay {
  /** Ends after what is under way. Targets stay open. */
  stop(): Promise<void>
}

/** Delivers the events of all targets, and tidies up what nobody wants any more. One at a time on a store: see `runRelay`. */
export function startRelay(options: RelayOptions): Relay {
  const { mesh, logger, targets, accounts, attemptsMax, waitMsMax, keepMs } = options
  const stopping = new AbortController()
  const { signal } = stopping
  const opener = new MessageOpener(mesh)
  const relays = new Map(
    [...targets].map(([name, target]) => [
      name,
      new TargetRelay({
        ...{ mesh, logger, opener, name, target, attemptsMax, waitMsMax, signal },
        accounts: accounts?.get(name),
        keeps: keepMs > 0,
      }),
    ]),
  )
  const told = new Map<string, string>()
  const every = async (periodMs: number, work: () => Promise<void>): Promise<void> => {
    while (!signal.aborted) {
      await work().catch((error: unknown) => logger.warn({ err: error }, 'the events relay will try again'))
      await sleep(periodMs, undefined, { signal }).catch(() => undefined)
    }
  }
  const work = [...relays.values()].map((relay) => relay.run())
  work.push(every(REPORT_MS, () => report(mesh, relays, told)))
  work.push(every(SWEEP_MS, () => sweep(options, signal)))
  const within = { metadata: mesh.use('metadata'), logger, limits: options, signal }
  work.push(every(LIMITS_MS, () => keepWithinLimits(within)))
  return {
    async stop() {
      stopping.abort()
      await Promise.all(work)
    },
  }
}

/** A relay for as long as a lease is held: of several processes one delivers. */
export async function runRelay(held: AbortSignal, options: RelayOptions): Promise<void> {
  if (held.aborted) return
  const relay = startRelay(options)
  await once(held, 'abort')
  await relay.stop()
}

/** Those that have changed since they were told. */
async function report(mesh: Mesh, relays: ReadonlyMap<string, TargetRelay>, told: Map<string, string>): Promise<void> {
  for (const [name, relay] of relays) {
    const state = relay.report()
    const text = JSON.stringify(state)
    if (told.get(name) === text) continue
    const record = Buffer.from(JSON.stringify({ ...state, at: Date.now() }))
    await mesh.use('metadata').putRecord(REPORTS_TABLE, reportId(name), record)
    told.set(name, text)
  }
}

/** Kept events whose time is over, and what listeners have left behind. */
async function sweep({ mesh, targets, keepMs }: RelayOptions, signal: AbortSignal): Promise<void> {
  const metadata = mesh.use('metadata')
  const listeners = (await metadata.listEventQueues()).filter(isListenerQueue)
  const due = [
    ...[...targets.keys()].map((name) => ({ queue: queueOf(name, 'kept'), ageMs: keepMs })),
    ...listeners.map((queue) => ({ queue, ageMs: LISTENER_WAIT_MS_MAX })),
  ]
  for (const { queue, ageMs } of due) {
    while (!signal.aborted) {
      const entries = await metadata.listEvents({ queue, afterId: '', limit: SWEEP_PAGE })
      const old = entries.filter(({ createdAt }) => createdAt < Date.now() - ageMs)
      if (old.length > 0) await metadata.moveEvents({ queue, ids: old.map(({ id }) => id) })
      if (old.length < SWEEP_PAGE) break
    }
  }
}
