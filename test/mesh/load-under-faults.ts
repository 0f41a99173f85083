import { setTimeout as sleep } from 'node:timers/promises'
import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { AcknowledgedJournal, type KeyState, newBody, stateOf } from '../durability/acknowledged-journal.ts'
import { bytesOf } from '../harness/s3.ts'

const CLIENTS = 4
const KEYS_PER_CLIENT = 6
const SMALL_BYTES = 3_000
/** Kept as a blob. */
const LARGE_BYTES = 160_000
const PAUSE_MS = 10
const PAUSE_AFTER_FAILURE_MS = 100
const RETRY_AFTER = 'retry-after'

/** A version whose id a client was told. */
export interface ToldVersion {
  readonly key: string
  readonly versionId: string
  readonly state: KeyState
}

/**
 * Clients that write, read and delete through both gateways while things fail. Each key has one writer, who goes on after a
 * failure and never asks what became of it: so a write that comes late is one that a later acknowledged one must outlive.
 */
export class LoadUnderFaults {
  readonly journal = new AcknowledgedJournal()
  readonly told: ToldVersion[] = []
  /** What no client may ever see: another answer than 503 with Retry-After, or bytes that were not written. */
  readonly wrongs: string[] = []
  /** Requests that were refused with 503, or cut off. */
  refusedCount = 0
  readonly #gateways: readonly S3Client[]
  readonly #bucket: string
  readonly #versioned: string
  #isOver = false
  #clients: Promise<unknown> = Promise.resolve()

  constructor(gateways: readonly S3Client[], buckets: { plain: string; versioned: string }) {
    this.#gateways = gateways
    this.#bucket = buckets.plain
    this.#versioned = buckets.versioned
  }

  start(): void {
    this.#clients = Promise.all(Array.from({ length: CLIENTS }, (_, client) => this.#act(client)))
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await this.#clients
  }

  /** Resolves when each gateway stores and gives back. Returns how long that took, in milliseconds. */
  async untilServed(): Promise<number> {
    const sinceMs = performance.now()
    for (const gateway of this.#gateways) {
      for (let isServed = false; !isServed; await sleep(20)) {
        isServed = await this.#tryProbe(gateway)
      }
    }
    return performance.now() - sinceMs
  }

  /** The object's state through a gateway, as a client sees it. */
  async stateOf(gateway: S3Client, key: string, version?: string): Promise<KeyState> {
    const which = version === undefined ? { Bucket: this.#bucket } : { Bucket: this.#versioned, VersionId: version }
    try {
      return stateOf(await bytesOf(await gateway.send(new GetObjectCommand({ ...which, Key: key }))))
    } catch (error) {
      if (error instanceof Error && error.name === 'NoSuchKey') return 'absent'
      throw error
    }
  }

  async #tryProbe(gateway: S3Client): Promise<boolean> {
    const where = { Bucket: this.#bucket, Key: 'probe' }
    try {
      await gateway.send(new PutObjectCommand({ ...where, Body: 'probe' }))
      return (await bytesOf(await gateway.send(new GetObjectCommand(where)))).toString() === 'probe'
    } catch (error) {
      this.#note(error, 'probe')
      return false
    }
  }

  async #act(client: number): Promise<void> {
    for (let turn = 0; !this.#isOver; turn++) {
      const key = `c${client}/k${turn % KEYS_PER_CLIENT}`
      const gateway = this.#gateways[(turn + client) % this.#gateways.length] as S3Client
      try {
        await this.#turn(gateway, key, turn)
        await sleep(PAUSE_MS)
      } catch (error) {
        this.#note(error, key)
        await sleep(PAUSE_AFTER_FAILURE_MS)
      }
    }
  }

  async #turn(gateway: S3Client, Key: string, turn: number): Promise<void> {
    const where = { Bucket: this.#bucket, Key }
    const dice = Math.random()
    if (dice < 0.3) {
      const seen = await this.stateOf(gateway, Key)
      if (!this.journal.allowed(Key).includes(seen)) this.wrongs.push(`turn ${turn}: ${Key} is ${seen}`)
    } else if (dice < 0.4) {
      await this.journal.record(Key, 'absent', () => gateway.send(new DeleteObjectCommand(where)))
    } else if (dice < 0.75) {
      const Body = newBody(dice < 0.5 ? LARGE_BYTES : SMALL_BYTES)
      await this.journal.record(Key, stateOf(Body), () => gateway.send(new PutObjectCommand({ ...where, Body })))
    } else {
      const Body = newBody(SMALL_BYTES)
      const put = await gateway.send(new PutObjectCommand({ Bucket: this.#versioned, Key, Body }))
      this.told.push({ key: Key, versionId: String(put.VersionId), state: stateOf(Body) })
    }
  }

  /** A connection that ended without an answer may be asked again, and so may a 503 that says when. */
  #note(error: unknown, key: string): void {
    this.refusedCount++
    if (!(error instanceof Error)) return void this.wrongs.push(String(error))
    const { $metadata, $response } = error as {
      $metadata?: { httpStatusCode?: number }
      $response?: { headers?: Record<string, string> }
    }
    const status = $metadata?.httpStatusCode
    if (status === undefined) return
    if (status === 503 && $response?.headers?.[RETRY_AFTER] !== undefined) return
    this.wrongs.push(`${key}: ${status} ${error.name} ${error.message}`)
  }
}
