import { randomBytes } from 'node:crypto'
import type { AuditTarget } from './audit-target.ts'
import { AuditChain } from './chain.ts'
import { auditError } from './errors.ts'
import { Lane } from './lane.ts'
import type { ChainHead, RequestFacts, SignedCheckpoint } from './record.ts'

/** What becomes of requests while a target takes no records: they wait, are refused, or go on and are counted. */
export type WhenStalled = 'block' | 'refuse' | 'drop'

const CHECKPOINT_INTERVAL_MS = 10_000
const CHECKPOINT_RECORDS = 4_096
/** A request waits no longer than clients do; then it is refused. */
const WAIT_MS_MAX = 30_000

/** 16 hex characters: the name of a chain. */
export function newChainId(): string {
  return randomBytes(8).toString('hex')
}

export interface AuditLogOptions {
  readonly chain: string
  /** What writes, for people. */
  readonly writer: string
  /** Which requests come here, for people: the first record says it. */
  readonly mode: string
  readonly targets: readonly AuditTarget[]
  readonly whenStalled: WhenStalled
  /** Records that may wait for a target. */
  readonly queueRecordsMax: number
  /** Signs the place that the chain has come to, and keeps it as the least that has to be there. */
  readonly sign: (head: ChainHead) => Promise<SignedCheckpoint>
  /** Told once when a target stops taking records, and once when it takes them again. */
  readonly onTrouble: (event: 'stalled' | 'recovered' | 'unsigned' | 'lost', facts: object) => void
}

/** How a trail stands, for whoever watches it. */
export interface AuditFigures {
  readonly recordCount: number
  /** Left out because a target took none, since the trail began. */
  readonly droppedCount: number
  /** That the slowest target has not taken yet. */
  readonly waitingCount: number
  readonly stalledTargetCount: number
}

/**
 * The audit trail of one process: numbers and chains records, has the chain signed now and then, and hands all to each target.
 * No record is lost without a record of that: what is admitted is written, and what is not taken in is counted.
 */
export class AuditLog {
  readonly #options: AuditLogOptions
  readonly #chain: AuditChain
  readonly #lanes: readonly Lane[]
  readonly #timer: NodeJS.Timeout
  #dropped = 0
  #droppedInAll = 0
  #droppedSince = ''
  #signedSeq = 0
  #signing: Promise<void> | undefined
  #room: PromiseWithResolvers<void> | undefined

  constructor(options: AuditLogOptions) {
    this.#options = options
    this.#chain = new AuditChain(options.chain)
    this.#lanes = options.targets.map(
      (target) => new Lane(target, { onTrouble: options.onTrouble, onProgress: () => this.#onProgress() }),
    )
    this.#append({ kind: 'open', time: now(), writer: options.writer, mode: options.mode })
    this.#timer = setInterval(() => this.#checkpointSoon(), CHECKPOINT_INTERVAL_MS)
    this.#timer.unref()
    this.#checkpointSoon()
  }

  /** Before a request that will be recorded begins. Undefined: go on. AUDIT_UNAVAILABLE. */
  admit(): Promise<void> | undefined {
    if (this.#options.whenStalled === 'drop' || !this.#isFull()) return undefined
    if (this.#options.whenStalled === 'refuse') return Promise.reject(auditError('AUDIT_UNAVAILABLE'))
    return this.#waitForRoom()
  }

  record(facts: RequestFacts): void {
    if (this.#options.whenStalled === 'drop' && this.#isFull()) {
      if (this.#dropped === 0) this.#droppedSince = facts.time
      this.#dropped += 1
      this.#droppedInAll += 1
      return
    }
    this.#tellOfGap()
    this.#append({ kind: 'request', ...facts })
    if (this.#chain.head.seq - this.#signedSeq >= CHECKPOINT_RECORDS) this.#checkpointSoon()
  }

  get figures(): AuditFigures {
    return {
      recordCount: this.#chain.head.seq,
      droppedCount: this.#droppedInAll,
      waitingCount: Math.max(0, ...this.#lanes.map(({ length }) => length)),
      stalledTargetCount: this.#lanes.filter(({ isStalled }) => isStalled).length,
    }
  }

  /** Signs and writes all that there is; gives a target that takes nothing up after `drainMs`, and tells how much was lost. */
  async close(drainMs: number): Promise<void> {
    clearInterval(this.#timer)
    this.#tellOfGap()
    this.#append({ kind: 'close', time: now() })
    await this.#signing
    await this.#checkpoint()
    await Promise.all(this.#lanes.map((lane) => lane.close(drainMs)))
  }

  #append(entry: Parameters<AuditChain['append']>[0]): void {
    const line = this.#chain.append(entry)
    for (const lane of this.#lanes) lane.add(line)
  }

  #isFull(): boolean {
    return this.#lanes.some((lane) => lane.length >= this.#options.queueRecordsMax)
  }

  async #waitForRoom(): Promise<void> {
    const deadline = Date.now() + WAIT_MS_MAX
    while (this.#isFull()) {
      const leftMs = deadline - Date.now()
      if (leftMs <= 0) throw auditError('AUDIT_UNAVAILABLE')
      this.#room ??= Promise.withResolvers()
      const timeout = Promise.withResolvers<void>()
      const timer = setTimeout(timeout.resolve, leftMs)
      await Promise.race([this.#room.promise, timeout.promise])
      clearTimeout(timer)
    }
  }

  #onProgress(): void {
    if (this.#isFull()) return
    this.#room?.resolve()
    this.#room = undefined
    this.#tellOfGap()
  }

  #tellOfGap(): void {
    if (this.#dropped === 0) return
    const gap = { dropped: this.#dropped, since: this.#droppedSince }
    this.#dropped = 0
    this.#append({ kind: 'gap', time: now(), ...gap })
  }

  #checkpointSoon(): void {
    if (this.#signing !== undefined || this.#chain.head.seq === this.#signedSeq) return
    this.#signing = this.#checkpoint().finally(() => {
      this.#signing = undefined
    })
  }

  /** A signature that can't be had now is had later: it speaks for everything before it. */
  async #checkpoint(): Promise<void> {
    const head = this.#chain.head
    try {
      const signed = await this.#options.sign(head)
      this.#append({ kind: 'checkpoint', time: now(), ...signed })
      // The checkpoint's own line is no reason for the next one.
      this.#signedSeq = head.seq === this.#chain.head.seq - 1 ? this.#chain.head.seq : head.seq
    } catch (error) {
      this.#options.onTrouble('unsigned', { err: error, seq: head.seq })
    }
  }
}

function now(): string {
  return new Date().toISOString()
}
