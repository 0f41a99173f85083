import { CofferError, isCofferError } from '@coffer/errors'
import type { Mesh } from '@coffer/mesh'
import type { KeyUseEntry } from '@coffer/metadata-store'
import { isPassing } from './jobs/patience.ts'
import { walkConcurrently } from './jobs/walk-concurrently.ts'
import type { ObjectOutcome, RewrapBatchWorker } from './rewrap-batch.ts'

/** So many objects are written together: enough that calls and commits are paid by many, few enough for a message. */
export const BATCH_MAX = 64
/** Batches under way at once. */
const CONCURRENCY = 16

/** Does so many objects when it is time for them. */
type Step = (objectCount: number, act: () => Promise<void>) => Promise<void>

export interface ObjectRewrapOptions {
  readonly mesh: Mesh
  readonly worker: RewrapBatchWorker
  readonly toKeyName: string
  /** Fewer where a rate limit is to be felt within a second. */
  readonly batchMax: number
  readonly step: Step
}

export interface RewrappedEntry {
  readonly entry: KeyUseEntry
  readonly outcome: ObjectOutcome
}

/**
 * Rewraps every object that a version of a master key seals by itself, and tells of each. What is done leaves the index, so
 * that a rewrap which is killed finds the rest when it is asked for again.
 */
export async function rewrapObjects(
  keyRef: string,
  options: ObjectRewrapOptions,
  told: (done: readonly RewrappedEntry[]) => void,
): Promise<void> {
  const limits = { concurrency: CONCURRENCY, window: 2 * CONCURRENCY }
  const act = async (entries: readonly KeyUseEntry[]) => told(await oneBatch(keyRef, entries, options))
  await walkConcurrently(batchesUnder(keyRef, options), limits, act, () => undefined)
}

async function* batchesUnder(
  keyRef: string,
  { mesh, batchMax }: ObjectRewrapOptions,
): AsyncGenerator<readonly KeyUseEntry[]> {
  const limit = batchMax * CONCURRENCY
  let after: KeyUseEntry | undefined
  for (;;) {
    const page = await mesh.use('metadata').listKeyUse({ keyRef, after, limit })
    for (let start = 0; start < page.length; start += batchMax) yield page.slice(start, start + batchMax)
    after = page.at(-1)
    if (page.length < limit) return
  }
}

async function oneBatch(
  keyRef: string,
  entries: readonly KeyUseEntry[],
  { worker, toKeyName, step }: ObjectRewrapOptions,
): Promise<readonly RewrappedEntry[]> {
  const done: RewrappedEntry[] = []
  let left = entries
  try {
    await step(entries.length, async () => {
      const outcomes = await worker({ keyRef, toKeyName, entries: left })
      const isLeft = (index: number) => isWaiting(outcomes[index])
      done.push(...left.flatMap((entry, index) => (isLeft(index) ? [] : [{ entry, outcome: outcomes[index] ?? LOST }])))
      const waiting = outcomes.find(isWaiting)
      left = left.filter((_, index) => isLeft(index))
      // What the KMS did not answer is asked for again with the rest, where the job waits for that.
      if (waiting?.kind === 'failed') throw new CofferError({ code: waiting.code, message: 'some are left to do' })
    })
    return done
  } catch (error) {
    if (!isCofferError(error)) throw error
    const outcome: ObjectOutcome = { kind: 'failed', code: error.code }
    return [...done, ...left.map((entry) => ({ entry, outcome }))]
  }
}

const LOST: ObjectOutcome = { kind: 'failed', code: 'KMS_UNAVAILABLE' }

function isWaiting(outcome: ObjectOutcome | undefined): boolean {
  return outcome?.kind === 'failed' && isPassing(outcome.code)
}
