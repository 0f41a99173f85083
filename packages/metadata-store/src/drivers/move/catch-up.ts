import { setTimeout as pause } from 'node:timers/promises'
import type { MoveSource } from './move-store.ts'
import type { Replay } from './replay.ts'

/** Changes that are left for the fence, in time that it takes to replay them. */
const REMAINDER_MS_MAX = 1_000
const COUNT_MAX = 1_000_000
/** One page of a replay, so that turns end about when they should. */
const PAGE_MS = 100
const PAGE_COUNT_MIN = 50
/** A page that is begun late still ends before writes go on: that is when they are told to. For who is killed it is the end. */
const HOLD_LONGER_MS = 2_000
/** The first one tells how fast it is by now. */
const FIRST_PAGE_COUNT = 200
/** Of what was left a turn has to take so much, or the next ones let fewer writes through. */
const PROGRESS_SHARE = 0.1

/**
 * A turn: writes wait for about so long, while there is a replay, then they go on for so long, while there is none, since one page may
 * take longer than that. So writes that come a hundred times faster than the replay are caught up with too. The wait is bounded
 * by what clients bear: none of them is refused.
 */
const TURNS = [
  { heldMs: 0, openMs: 500 },
  { heldMs: 100, openMs: 100 },
  { heldMs: 300, openMs: 100 },
  { heldMs: 700, openMs: 100 },
  { heldMs: 1_500, openMs: 100 },
  { heldMs: 2_000, openMs: 60 },
  { heldMs: 2_000, openMs: 20 },
] as const

export interface CatchUpProgress {
  /** Entries of the journal, as far as they are counted. */
  readonly leftCount: number
  readonly replayedPerSecond: number
  /** Of each turn, how long writes wait, and how long they go on. */
  readonly heldMs: number
  readonly openMs: number
}

/** Until little enough is left for a fence. Returns how long writes were made to wait, milliseconds. */
export async function catchUp(
  source: MoveSource,
  replay: Replay,
  id: string,
  onProgress: (progress: CatchUpProgress) => void,
): Promise<number> {
  await replay.some(FIRST_PAGE_COUNT)
  let waitedMs = 0
  let before = Number.POSITIVE_INFINITY
  for (let turn = 0; ; ) {
    const { heldMs, openMs } = TURNS[turn] ?? TURNS[0]
    const startedAt = performance.now()
    if (heldMs > 0) await source.hold(id, heldMs + HOLD_LONGER_MS)
    await replayUntil(replay, startedAt + heldMs)
    const left = await source.countJournal(COUNT_MAX)
    if (heldMs > 0) waitedMs += Math.round(performance.now() - startedAt)
    onProgress({ leftCount: left, replayedPerSecond: Math.round(replay.countIn(1_000)), heldMs, openMs })
    // The fence comes at once.
    if (left <= replay.countIn(REMAINDER_MS_MAX)) return waitedMs
    if (heldMs === 0) await replayUntil(replay, performance.now() + openMs)
    else {
      await source.hold(id, 0)
      await pause(openMs)
    }
    const isFalling = left < before * (1 - PROGRESS_SHARE)
    before = left
    if (!isFalling) turn = Math.min(turn + 1, TURNS.length - 1)
  }
}

async function replayUntil(replay: Replay, endAtMs: number): Promise<void> {
  while (performance.now() < endAtMs) {
    if (!(await replay.some(Math.max(PAGE_COUNT_MIN, Math.ceil(replay.countIn(PAGE_MS)))))) return
  }
}
