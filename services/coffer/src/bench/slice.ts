import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LoadConnection } from './load-connection.ts'
import type { LoadOperation } from './load-options.ts'
import type { LoadResponse } from './response-reader.ts'
import type { ObjectSet, Target } from './target.ts'

/** A server that refuses connections is asked again after this, so that errors are counted rather than spun. */
const PAUSE_AFTER_ERROR_MS = 50

/** What one turn of a load has measured; turns of the same load are added up. */
export interface SliceTally {
  operationCount: number
  names: number
  elapsedMs: number
  readonly errors: Map<string, number>
  readonly latencyMicroseconds: RecordableHistogram
}

export function newTally(): SliceTally {
  return { operationCount: 0, names: 0, elapsedMs: 0, errors: new Map(), latencyMicroseconds: createHistogram() }
}

export function addTally(sum: SliceTally, slice: SliceTally): void {
  sum.operationCount += slice.operationCount
  sum.names += slice.names
  sum.elapsedMs += slice.elapsedMs
  for (const [name, count] of slice.errors) sum.errors.set(name, (sum.errors.get(name) ?? 0) + count)
  sum.latencyMicroseconds.add(slice.latencyMicroseconds)
}

export interface SliceOptions {
  readonly operation: LoadOperation
  readonly objects: ObjectSet
  readonly connections: number
  /** Index of the first request; the slice takes the following ones. */
  readonly firstIndex: number
  /** No request of this index or a later one is made. */
  readonly endIndex: number
  readonly durationMs: number
}

/**
 * Runs one operation on every connection until time is up or requests run out; requests in flight at the end are
 * waited for and counted, and the time until then as well. Returns the tally and the index after the last request.
 */
export async function runSlice(
  target: Target,
  options: SliceOptions,
): Promise<{ tally: SliceTally; nextIndex: number }> {
  const tally = newTally()
  let nextIndex = options.firstIndex
  const startedAt = performance.now()
  const endsAt = startedAt + options.durationMs
  const takeIndex = () => (nextIndex < options.endIndex && performance.now() < endsAt ? nextIndex++ : undefined)
  await Promise.all(
    target
      .connections(options.connections)
      .map((connection) => keepBusy(connection, target, options, tally, takeIndex)),
  )
  tally.elapsedMs = performance.now() - startedAt
  return { tally, nextIndex }
}

function keepBusy(
  connection: LoadConnection,
  target: Target,
  { operation, objects }: SliceOptions,
  tally: SliceTally,
  takeIndex: () => number | undefined,
): Promise<void> {
  return new Promise((resolve) => {
    const next = (): void => {
      const index = takeIndex()
      if (index === undefined) {
        resolve()
        return
      }
      const sentAt = performance.now()
      connection.send(target.request(operation, objects, index), (error, response) => {
        const failure = failureOf(error, response, operation, objects.sizeBytes)
        if (failure === undefined) {
          tally.latencyMicroseconds.record(Math.max(1, Math.round((performance.now() - sentAt) * 1000)))
          tally.operationCount++
          if (operation === 'list') tally.names += target.namesOn(objects.sizeBytes, index)
          next()
        } else {
          tally.errors.set(failure, (tally.errors.get(failure) ?? 0) + 1)
          void sleep(error ? PAUSE_AFTER_ERROR_MS : 0).then(next)
        }
      })
    }
    next()
  })
}

function failureOf(
  error: Error | undefined,
  response: LoadResponse | undefined,
  operation: LoadOperation,
  sizeBytes: number,
): string | undefined {
  if (!response) return error && 'code' in error ? String(error.code) : (error?.message ?? 'no response')
  if (response.status >= 300)
    return `${response.status} ${/<Code>([^<]*)<\/Code>/.exec(response.body)?.[1] ?? ''}`.trim()
  return operation === 'get' && response.bodySizeBytes !== sizeBytes ? 'wrong size' : undefined
}
