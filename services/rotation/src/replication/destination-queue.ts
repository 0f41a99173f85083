import { setTimeout as sleep } from 'node:timers/promises'
import type { BlobStore } from '@coffer/blob-store'
import { isCofferError } from '@coffer/errors'
import type { Logger, Mesh } from '@coffer/mesh'
import type { OutboxEntry } from '@coffer/metadata-store'
import {
  type BucketMessageEnvelope,
  openBucketMessage,
  parseBucketMessage,
  queueOfDestination,
} from '@coffer/object-record'
import { inTraceOfItsOwn, type SpanStart } from '@coffer/tracing'
import { MetadataKeys } from '../metadata-keys.ts'
import { ByteBudget } from './byte-budget.ts'
import type { ReplicationDestination } from './destination.ts'
import { watchForLate } from './late-watch.ts'
import { replicateTask } from './replicate-task.ts'
import type { TaskPlace } from './task-place.ts'
import { tellOutcome } from './tell-outcome.ts'

export interface ReplicationOptions {
  readonly mesh: Mesh
  readonly blobs: BlobStore
  readonly logger: Logger
  /** By ARN. */
  readonly destinations: ReadonlyMap<string, ReplicationDestination>
  /** How often a version may be refused before it has failed... */
  readonly attemptsMax: number
  /** ...and how long it may wait. */
  readonly waitMsMax: number
  /** After how long a version of a rule with Replication Time Control is late. */
  readonly thresholdMs: number
  /** Is told what becomes of each entry. */
  readonly observe?: (settled: SettledReplication) => void
}

export interface SettledReplication {
  /** ARN. */
  readonly destination: string
  readonly outcome: 'done' | 'failed'
  /** Of objects that were sent. */
  readonly sizeBytes: number
  /** Since its change was committed. */
  readonly waitedMs: number
}

/** Entries that are looked at together. */
const PAGE = 512
/** Where most of a page waits to be tried again, what is behind it is looked at too: so many pages at a time. */
const PAGES_MAX = 16
/** Keys under way at once. */
const LANES = 16
const UNDERWAY_BYTES_MAX = 128 * 1024 ** 2
const IDLE_POLL_MS = 200
const FIRST_PAUSE_MS = 200
const LONGEST_PAUSE_MS = 30_000
/** What comes back by itself: all versions wait for it. */
const PASSING: ReadonlySet<string> = new Set([
  'ROTATION_DESTINATION_UNAVAILABLE',
  'BLOB_UNAVAILABLE',
  'KMS_UNAVAILABLE',
  'MESH_SERVICE_UNAVAILABLE',
  'META_STORE_CLOSED',
  'META_UNAVAILABLE',
])

type Place = TaskPlace & { readonly entry: OutboxEntry }

/**
 * Empties the queue of one destination from its beginning: at least once, versions of one key one after the other. One that is
 * refused holds up its own key only, and fails in the end; a destination that is away holds up all.
 */
export class DestinationQueue {
  readonly #options: ReplicationOptions
  readonly #destination: ReplicationDestination
  readonly #queue: string
  readonly #metadataKeys: MetadataKeys
  readonly #span: SpanStart
  readonly #budget = new ByteBudget(UNDERWAY_BYTES_MAX)
  readonly #refused = new Map<string, { attempts: number; notBefore: number; lane: string }>()
  #away = { attempts: 0, notBefore: 0 }

  constructor(arn: string, destination: ReplicationDestination, options: ReplicationOptions) {
    this.#options = options
    this.#destination = destination
    this.#queue = queueOfDestination(arn)
    this.#span = { name: 'replicate', kind: 'client', attributes: { 'messaging.destination.name': arn } }
    this.#metadataKeys = new MetadataKeys(options.mesh)
  }

  async run(signal: AbortSignal): Promise<void> {
    const { mesh, thresholdMs } = this.#options
    const watched = { mesh, queue: this.#queue, thresholdMs, open: (entry: OutboxEntry) => this.#open(entry) }
    await Promise.all([this.#work(signal), watchForLate(watched, signal)])
  }

  async #work(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const isAway = this.#away.notBefore > Date.now()
      const settled = isAway ? 0 : await this.#turn(signal).catch((error: unknown) => this.#wait(error))
      if (settled === 0) await sleep(IDLE_POLL_MS, undefined, { signal }).catch(() => undefined)
    }
  }

  /** How many entries were settled. */
  async #turn(signal: AbortSignal): Promise<number> {
    const metadata = this.#options.mesh.use('metadata')
    /** Keys with an earlier entry that waits. */
    const held = new Set<string>()
    let settled = 0
    let afterId = ''
    for (let page = 0; page < PAGES_MAX; page++) {
      const entries = await metadata.listEvents({ queue: this.#queue, afterId, limit: PAGE })
      settled += await this.#settleAll(entries, held, signal)
      const last = entries.at(-1)
      const isStopped = signal.aborted || this.#away.notBefore > Date.now()
      if (isStopped || last === undefined || entries.length < PAGE || settled > PAGE / 2) break
      afterId = last.id
    }
    return settled
  }

  async #settleAll(entries: readonly OutboxEntry[], held: Set<string>, signal: AbortSignal): Promise<number> {
    const lanes = new Map<string, Place[]>()
    for (const entry of entries) {
      const refused = this.#refused.get(entry.id)
      if (refused !== undefined && refused.notBefore > Date.now()) {
        held.add(refused.lane)
        continue
      }
      const place = await this.#open(entry)
      if (place === undefined) continue
      const name = laneOf(place)
      if (held.has(name)) continue
      const lane = lanes.get(name)
      if (lane) lane.push(place)
      else lanes.set(name, [place])
    }
    let settled = 0
    const waiting = [...lanes].values()
    const walk = async () => {
      for (const [name, lane] of waiting) {
        for (const place of lane) {
          if (signal.aborted || this.#away.notBefore > Date.now() || !(await this.#settle(place))) {
            held.add(name)
            break
          }
          settled += 1
        }
      }
    }
    await Promise.all(Array.from({ length: LANES }, walk))
    return settled
  }

  /** False: it stays, and what comes after it on its key with it. */
  async #settle(place: Place): Promise<boolean> {
    const { mesh, blobs, waitMsMax, attemptsMax, thresholdMs, observe } = this.#options
    const { entry } = place
    let sizeBytes = 0
    let outcome: SettledReplication['outcome'] = 'done'
    const refused = this.#refused.get(entry.id) ?? { attempts: 0, notBefore: 0, lane: laneOf(place) }
    if (refused.notBefore > Date.now()) return false
    try {
      const isLate = () => entry.createdAt < Date.now() - thresholdMs
      const means = { mesh, blobs, destination: this.#destination, budget: this.#budget, isLate }
      sizeBytes = await inTraceOfItsOwn(mesh.tracer, this.#span, () => replicateTask(means, place))
      this.#away = { attempts: 0, notBefore: 0 }
    } catch (error) {
      const isOverdue = entry.createdAt < Date.now() - waitMsMax
      if (!isOverdue && isCofferError(error) && PASSING.has(error.code)) {
        this.#wait(error)
        return false
      }
      const attempts = refused.attempts + 1
      this.#refused.set(entry.id, { ...refused, attempts, notBefore: Date.now() + pauseMs(attempts) })
      if (!isOverdue && attempts < attemptsMax) return false
      await this.#fail(place, error, attempts)
      outcome = 'failed'
    }
    await mesh.use('metadata').moveEvents({ queue: this.#queue, ids: [entry.id] })
    this.#refused.delete(entry.id)
    const { destination } = place.task
    observe?.({ destination, outcome, sizeBytes, waitedMs: Math.max(0, Date.now() - entry.createdAt) })
    return true
  }

  async #fail(place: Place, error: unknown, attempts: number): Promise<void> {
    const { bucket, task } = place
    await tellOutcome(this.#options.mesh, place, { outcome: 'FAILED' })
    const { key, versionId, what, destination } = task
    const reason = reasonOf(error)
    this.#options.logger.error(
      { bucket: bucket.name, key, versionId, what, destination, attempts, reason },
      'a version could not be replicated and has failed',
    )
  }

  /** Undefined: it is damaged, or nothing opens it any more; it is dropped. Other failures (the KMS is away) pass. */
  async #open(entry: OutboxEntry): Promise<Place | undefined> {
    const envelope = parseBucketMessage(entry.payload)
    try {
      const place = envelope && (await this.#placeOf(envelope))
      if (place) return { ...place, entry }
    } catch (error) {
      const isLost = isCofferError(error) && (error.code.startsWith('CRYPTO_') || error.code === 'KMS_KEY_NOT_FOUND')
      if (!isLost) throw error
    }
    this.#options.logger.error({ queue: this.#queue, id: entry.id }, 'an entry of replication is damaged, and dropped')
    await this.#options.mesh.use('metadata').moveEvents({ queue: this.#queue, ids: [entry.id] })
    return undefined
  }

  async #placeOf(envelope: BucketMessageEnvelope): Promise<TaskPlace | undefined> {
    const { bucket } = envelope
    // As it is wrapped now: the version of the master key that wrapped it then may be gone.
    const record = await this.#options.mesh.use('metadata').findBucket(bucket.name)
    const metadataKey = await this.#metadataKeys.of(record?.id === bucket.id ? record : bucket)
    const message = openBucketMessage(metadataKey, envelope, this.#queue)
    return message.kind === 'replicate' ? { bucket, metadataKey, task: message } : undefined
  }

  #wait(error: unknown): 0 {
    const attempts = this.#away.attempts + 1
    this.#away = { attempts, notBefore: Date.now() + pauseMs(attempts) }
    if (attempts === 1) {
      this.#options.logger.warn({ queue: this.#queue, reason: reasonOf(error) }, 'replication waits')
    }
    return 0
  }
}

/** One key of one bucket: its changes arrive in their order. */
function laneOf({ bucket, task }: TaskPlace): string {
  return `${bucket.id}/${task.key}`
}

/** Doubled each time, with jitter, so that stores do not fall into step. */
function pauseMs(attempts: number): number {
  const ceiling = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(attempts - 1, 16))
  return ceiling / 2 + Math.random() * (ceiling / 2)
}

/** Codes only: what a client library says may quote what it was given. */
function reasonOf(error: unknown): string {
  if (!isCofferError(error)) return 'unexpected failure'
  const { reason, status } = error.details
  return [error.code, reason, status].filter((part) => part !== undefined).join(' ')
}
