import { setTimeout as sleep } from 'node:timers/promises'
import type { AuditTarget } from './audit-target.ts'

/** Records gather for so long, so that a target is written to a few times a second at most. */
const GATHER_MS = 100
const GATHER_RECORDS = 512
const BATCH_RECORDS_MAX = 1_024
const BATCH_CHARACTERS_MAX = 512 * 1024
const RETRY_PAUSE_MS_MAX = 2_000

interface LaneOptions {
  readonly onTrouble: (event: 'stalled' | 'recovered' | 'lost', facts: object) => void
  /** A batch is with the target. */
  readonly onProgress: () => void
}

/** The records on their way to one target: in order, tried until the target takes them. */
export class Lane {
  readonly #target: AuditTarget
  readonly #options: LaneOptions
  #lines: string[] = []
  #timer: NodeJS.Timeout | undefined
  #pumping: Promise<void> | undefined
  #failures = 0
  readonly #stop = new AbortController()

  constructor(target: AuditTarget, options: LaneOptions) {
    this.#target = target
    this.#options = options
  }

  get length(): number {
    return this.#lines.length
  }

  /** Whether the target has refused the last batch. */
  get isStalled(): boolean {
    return this.#failures > 0
  }

  add(line: string): void {
    this.#lines.push(line)
    if (this.#pumping === undefined) this.#pumpSoon()
  }

  async close(drainMs: number): Promise<void> {
    const cutOff = setTimeout(() => this.#stop.abort(), drainMs)
    while (this.#lines.length > 0 && !this.#stop.signal.aborted) {
      this.#pumpNow()
      await this.#pumping
    }
    clearTimeout(this.#timer)
    clearTimeout(cutOff)
    if (this.#lines.length > 0) this.#options.onTrouble('lost', { records: this.#lines.length })
    await this.#target.close().catch((error: unknown) => this.#options.onTrouble('lost', { err: error }))
  }

  #pumpSoon(): void {
    if (this.#lines.length >= GATHER_RECORDS) this.#pumpNow()
    else if (this.#lines.length > 0) this.#timer ??= setTimeout(() => this.#pumpNow(), GATHER_MS)
  }

  #pumpNow(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#pumping ??= this.#pump().finally(() => {
      this.#pumping = undefined
      this.#pumpSoon()
    })
  }

  /** What is there now; what comes meanwhile gathers for the next time. */
  async #pump(): Promise<void> {
    let left = this.#lines.length
    while (left > 0 && !this.#stop.signal.aborted) {
      const count = batchSize(this.#lines)
      try {
        await this.#target.write(this.#lines.slice(0, count))
        this.#lines = this.#lines.slice(count)
        left -= count
        if (this.#failures > 0) this.#options.onTrouble('recovered', {})
        this.#failures = 0
        this.#options.onProgress()
      } catch (error) {
        if (this.#failures === 0) this.#options.onTrouble('stalled', { err: error })
        this.#failures += 1
        const pauseMs = Math.min(RETRY_PAUSE_MS_MAX, 50 * 2 ** Math.min(this.#failures, 10))
        await sleep(pauseMs, undefined, { signal: this.#stop.signal }).catch(() => undefined)
      }
    }
  }
}

function batchSize(lines: readonly string[]): number {
  let characters = 0
  for (let count = 0; count < Math.min(lines.length, BATCH_RECORDS_MAX); count++) {
    characters += lines[count]?.length ?? 0
    if (characters > BATCH_CHARACTERS_MAX) return Math.max(1, count)
  }
  return Math.min(lines.length, BATCH_RECORDS_MAX)
}
