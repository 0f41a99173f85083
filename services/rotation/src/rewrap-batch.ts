import { isCofferError } from '@coffer/errors'
import type { Mesh } from '@coffer/mesh'
import type { KeyUseEntry } from '@coffer/metadata-store'
import { inTraceOfItsOwn, type SpanStart } from '@coffer/tracing'
import { type HeldKey, HeldKeys } from './held-keys.ts'

/** Of changes by others of the same object at the same time. */
const ATTEMPTS_MAX = 8

/** Versions and uploads that a version of a master key seals by itself, to come under the newest of another (or of the same). */
export interface RewrapBatch {
  readonly keyRef: string
  readonly toKeyName: string
  readonly entries: readonly KeyUseEntry[]
}

/** `moot`: gone, or rewrapped by another meanwhile: it needs nothing more. */
export type ObjectOutcome = { readonly kind: 'rewrapped' | 'moot' } | { readonly kind: 'failed'; readonly code: string }

/** Does a batch; the outcomes are in the order of its entries. */
export type RewrapBatchWorker = (batch: RewrapBatch) => Promise<readonly ObjectOutcome[]>

const MOOT: ObjectOutcome = { kind: 'moot' }
const REWRAPPED: ObjectOutcome = { kind: 'rewrapped' }

/**
 * Rewraps objects many at a time: one look-up, one call of the KMS and one atomic write for all of a batch, in which each
 * object is compared and replaced by itself.
 */
export function rewrapBatchWorker(mesh: Mesh): RewrapBatchWorker {
  const heldKeys = new HeldKeys(mesh)
  const rewrap: RewrapBatchWorker = async ({ keyRef, toKeyName, entries }) => {
    const outcomes: ObjectOutcome[] = entries.map(() => MOOT)
    let left = [...entries.keys()]
    for (let attempt = 1; left.length > 0 && attempt <= ATTEMPTS_MAX; attempt++) {
      const found = await heldKeys.find(left.map((index) => entries[index] as KeyUseEntry))
      const due: { readonly index: number; readonly held: HeldKey }[] = []
      for (const [at, held] of found.entries()) {
        const index = left[at] as number
        if (isCofferError(held)) outcomes[index] = { kind: 'failed', code: held.code }
        else if (held?.objectKey.keyRef === keyRef) due.push({ index, held })
      }
      left = await rewrapDue(mesh, due, toKeyName, outcomes)
    }
    return outcomes
  }
  return (batch) => inTraceOfItsOwn(mesh.tracer, spanOf(batch), () => rewrap(batch))
}

function spanOf({ entries }: RewrapBatch): SpanStart {
  const attributes = { 'coffer.job.kind': 'rewrap', 'coffer.job.objects': entries.length }
  return { name: 'job rewrap', kind: 'internal', attributes }
}

/** The indexes of those that somebody else has changed between the look-up and the write. */
async function rewrapDue(
  mesh: Mesh,
  due: readonly { readonly index: number; readonly held: HeldKey }[],
  toKeyName: string,
  outcomes: ObjectOutcome[],
): Promise<number[]> {
  if (due.length === 0) return []
  const items = due.map(({ held }) => ({ stored: held.objectKey, context: held.context }))
  const rewrapped = await mesh.use('crypto').rewrapObjectKeys(items, toKeyName)
  const writes = due.flatMap(({ index, held }, at) => {
    const answer = rewrapped[at] ?? { refused: 'KMS_UNAVAILABLE' }
    if ('stored' in answer) return [{ index, replacement: held.replacedBy(answer.stored) }]
    outcomes[index] = { kind: 'failed', code: answer.refused }
    return []
  })
  if (writes.length === 0) return []
  const made = await mesh.use('metadata').replaceObjectKeys(writes.map(({ replacement }) => replacement))
  for (const [at, { index }] of writes.entries()) if (made[at]) outcomes[index] = REWRAPPED
  return writes.filter((_, at) => !made[at]).map(({ index }) => index)
}
