import { metadataError } from '../../errors.ts'
import { DATABASE_NAMES, type DatabaseName } from '../rows/databases.ts'
import { type CatchUpProgress, catchUp } from './catch-up.ts'
import { type ComparedTable, compareTables, countTables, requireSameCounts } from './compare.ts'
import type { MoveSource, MoveTarget } from './move-store.ts'
import { PageSize } from './page-size.ts'
import { Replay } from './replay.ts'

export type { MoveSource, MoveState, MoveTarget } from './move-store.ts'

/** How long writes are refused at once, at most. */
const FENCE_MS_MAX = 10_000
/** What may be compared while they are: what took no longer before. */
const COMPARISON_MS_MAX = 4_000
/** Another one is tried where a fence was over before all was replayed. */
const FENCES_MAX = 5

export type MoveProgress =
  | {
      readonly phase: 'copy' | 'compare'
      readonly table: DatabaseName
      /** Copied or compared of it. */
      readonly rowCount: number
    }
  | ({ readonly phase: 'catch-up' } & CatchUpProgress)
  | { readonly phase: 'fence' }

export interface MoveReport {
  /** With digests where all rows were compared once more while nothing was written. */
  readonly tables: readonly ComparedTable[]
  /** What was compared while nothing was written: all that was compared before it was, row by row, in any case. */
  readonly compared: 'rows' | 'counts' | 'nothing'
  readonly replayedCount: number
  /** How long writes were made to wait in all, because they came faster than they could be replayed. */
  readonly heldMs: number
  readonly fenceMs: number
}

/**
 * Moves a store while others write it. Killed at any moment it can be called again, with the id that the source says, and goes on.
 *
 * 1. Rows are copied in the order of their keys; the target's last key says where that ended. What changes meanwhile is in the
 *    source's journal, and each row that it names is copied again as it is by then, if it lies before that end.
 * 2. All rows of both sides are compared. At each moment a row is the same, or the journal names it.
 * 3. What has come meanwhile is caught up with; writes that come faster than that are made to wait ({@link catchUp}).
 * 4. When little is left, writes are refused for seconds; the rest is replayed. The source is `moved` in one transaction, which
 *    looks whether the journal is empty: so no change can be missed, whatever became of the fence.
 *
 * META_TRANSFER_FAILED if a row differs, or no fence was long enough for what was left: then the source goes on as it was.
 * META_STORE_CLOSED: the move was abandoned meanwhile.
 */
export async function moveOnline(
  source: MoveSource,
  target: MoveTarget,
  id: string,
  onProgress: (progress: MoveProgress) => void,
): Promise<MoveReport> {
  const replay = await Replay.open(source, target, id)
  await copyTables(source, target, replay, onProgress)
  const compare = async () =>
    await compareTables(source, target, {
      replay: () => replay.regularly(),
      onProgress: (table, rowCount) => onProgress({ phase: 'compare', table, rowCount }),
    })
  const rowsTookMs = await timed(compare)
  const countsTookMs = await timed(() => countTables(source, target))

  let heldMs = 0
  for (let attempt = 1; attempt <= FENCES_MAX; attempt += 1) {
    heldMs += await catchUp(source, replay, id, (progress) => onProgress({ phase: 'catch-up', ...progress }))
    onProgress({ phase: 'fence' })
    const startedAt = performance.now()
    await source.fence(id, FENCE_MS_MAX)
    try {
      await replay.all()
      await target.writeCounters(await source.readCounters())
      let compared: MoveReport['compared'] = 'nothing'
      let tables: readonly ComparedTable[] = []
      // One fence was over before its end came: there is less to be done in the next.
      if (rowsTookMs <= COMPARISON_MS_MAX && attempt === 1) {
        compared = 'rows'
        tables = await compare()
      } else if (countsTookMs <= COMPARISON_MS_MAX && attempt <= 2) {
        compared = 'counts'
        tables = requireSameCounts(await countTables(source, target))
      }
      // Another process that goes on with this move would be told of here.
      await target.change([])
      if (await source.finishMove(id)) {
        const fenceMs = Math.round(performance.now() - startedAt)
        return { tables, compared, replayedCount: replay.count, heldMs, fenceMs }
      }
    } finally {
      // Unless it is moved.
      await source.unfence(id)
    }
  }
  const reason = 'writes could not be refused for long enough: try again'
  throw metadataError('META_TRANSFER_FAILED', { reason, fences: FENCES_MAX })
}

async function copyTables(
  source: MoveSource,
  target: MoveTarget,
  replay: Replay,
  onProgress: (progress: MoveProgress) => void,
): Promise<void> {
  for (const table of DATABASE_NAMES) {
    const page = new PageSize()
    let rowCount = 0
    for (let isLast = false; !isLast; ) {
      const limit = page.rows
      const rows = await source.read(table, replay.copiedTo(table), limit)
      page.was(rows)
      if (rows.length > 0) await target.change(rows.map((row) => ({ table, ...row })))
      const last = rows.at(-1)?.key
      isLast = rows.length < limit || last === undefined
      replay.copied(table, isLast || last === undefined ? 'end' : last)
      rowCount += rows.length
      onProgress({ phase: 'copy', table, rowCount })
      await replay.regularly()
    }
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await work()
  return performance.now() - startedAt
}
