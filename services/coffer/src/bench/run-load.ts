import {
  connectionsFor,
  type LoadOptions,
  type LoadRatio,
  type LoadReport,
  type LoadResult,
  objectCountFor,
} from './load-options.ts'
import { addTally, newTally, runSlice, type SliceTally } from './slice.ts'
import { newObjectSet, type ObjectSet, Target } from './target.ts'

export type {
  LoadEndpoint,
  LoadOperation,
  LoadOptions,
  LoadRatio,
  LoadReport,
  LoadResult,
  SseMode,
} from './load-options.ts'

/** Objects that are written before a load that reads, if none was measured writing them. */
const SEEDED_OBJECTS_MAX = 1_000
const PROGRESS_INTERVAL_MS = 200

/**
 * Puts each endpoint under load, operation by operation, size by size. With several endpoints they take turns in slices,
 * so that a change in the machine's speed meets all of them. COFFER_BENCH_REFUSED if an endpoint refuses from the start.
 *
 * @example
 * const report = await runLoad({ endpoints: [{ url: 'https://127.0.0.1:9000', accessKeyId, secretAccessKey, region: 'us-east-1' }],
 *   operations: ['put', 'get'], sizesBytes: [4096], durationMs: 10_000, sliceMs: 2_000, sse: 'none' })
 */
export async function runLoad(options: LoadOptions): Promise<LoadReport> {
  const targets = options.endpoints.map((endpoint) => new Target(endpoint, options))
  try {
    for (const target of targets) await target.prepare()
    const report = await measureAll(targets, options)
    for (const target of targets) await target.cleanUp()
    return report
  } finally {
    for (const target of targets) target.close()
  }
}

interface Measured {
  readonly results: LoadResult[]
  readonly ratios: LoadRatio[]
}

async function measureAll(targets: readonly Target[], options: LoadOptions): Promise<LoadReport> {
  const measured: Measured = { results: [], ratios: [] }
  const loadCount = options.sizesBytes.length * options.operations.length
  let loadIndex = 0
  for (const sizeBytes of options.sizesBytes) {
    const objects = newObjectSet(sizeBytes, objectCountFor(sizeBytes, options))
    for (const operation of options.operations) {
      const load: Load = { operation, objects, connections: connectionsFor(sizeBytes, options) }
      const done = loadIndex
      const report = (fraction: number) =>
        options.onProgress?.({ operation, sizeBytes, fraction: (done + fraction) / loadCount })
      await measureLoad(targets, load, options, report, measured)
      loadIndex++
    }
  }
  return measured
}

interface Load {
  readonly operation: LoadResult['operation']
  readonly objects: ObjectSet
  readonly connections: number
}

/** One operation and size on all targets, in turns. */
async function measureLoad(
  targets: readonly Target[],
  load: Load,
  options: LoadOptions,
  report: (fraction: number) => void,
  measured: Measured,
): Promise<void> {
  if (load.operation !== 'put') for (const target of targets) await seed(target, load)
  const indexes = targets.map(() => 0)
  const counted = targets.map(() => 0)
  const rates: number[][] = targets.map(() => [])
  const sliceMs = targets.length > 1 ? Math.min(options.sliceMs, options.durationMs) : options.durationMs
  const sliceCount = Math.max(1, Math.round(options.durationMs / sliceMs))
  const startedAt = performance.now()
  const warmUpMs = load.operation === 'delete' ? 0 : (options.warmUpMs ?? 0)
  const expectedMs = (sliceCount * sliceMs + warmUpMs) * targets.length
  const ticking = setInterval(
    () => report(Math.min(1, (performance.now() - startedAt) / expectedMs)),
    PROGRESS_INTERVAL_MS,
  )
  const takeTurn = async (target: Target, which: number, durationMs: number): Promise<SliceTally> => {
    const endIndex = endOf(load, target)
    const turn = await runSlice(target, { ...load, firstIndex: indexes[which] ?? 0, endIndex, durationMs })
    indexes[which] = turn.nextIndex
    note(target, load, turn.nextIndex)
    return turn.tally
  }
  const sums = targets.map(() => newTally())
  if (warmUpMs > 0) for (const [which, target] of targets.entries()) await takeTurn(target, which, warmUpMs)
  for (let slice = 0; slice < sliceCount; slice++) {
    // There and back: who comes after whom makes a difference on a busy machine.
    const order = [...targets.entries()]
    for (const [which, target] of slice % 2 ? order.reverse() : order) {
      const before = (await options.counterOf?.(target.endpoint)) ?? 0
      const tally = await takeTurn(target, which, sliceMs)
      const after = (await options.counterOf?.(target.endpoint)) ?? 0
      counted[which] = (counted[which] ?? 0) + after - before
      addTally(sums[which] as SliceTally, tally)
      rates[which]?.push(rateOf(tally))
    }
  }
  clearInterval(ticking)
  for (const [which, target] of targets.entries()) {
    const result = resultOf(target, load, sums[which] as SliceTally)
    measured.results.push(options.counterOf ? { ...result, counted: counted[which] ?? 0 } : result)
    // What a short load has left is removed at the end.
    if ((indexes[which] ?? 0) >= endOf(load, target)) target.present.set(load.objects.sizeBytes, 0)
  }
  measured.ratios.push(...ratiosOf(targets, load, sums, rates))
}

/** A delete ends when everything is gone; deleting what isn't there would be another measurement. */
function endOf(load: Load, target: Target): number {
  return load.operation === 'delete' ? (target.present.get(load.objects.sizeBytes) ?? 0) : Number.POSITIVE_INFINITY
}

function note(target: Target, { operation, objects }: Load, nextIndex: number): void {
  if (operation === 'put') target.present.set(objects.sizeBytes, Math.min(objects.count, nextIndex))
}

async function seed(target: Target, { objects, connections }: Load): Promise<void> {
  if ((target.present.get(objects.sizeBytes) ?? 0) > 0) return
  const endIndex = Math.min(SEEDED_OBJECTS_MAX, objects.count)
  await runSlice(target, {
    operation: 'put',
    objects,
    connections,
    firstIndex: 0,
    endIndex,
    durationMs: Number.POSITIVE_INFINITY,
  })
  target.present.set(objects.sizeBytes, endIndex)
}

function resultOf(target: Target, { operation, objects, connections }: Load, tally: SliceTally): LoadResult {
  const seconds = tally.elapsedMs / 1000
  const rate = (count: number) => (seconds > 0 ? count / seconds : 0)
  const movesBytes = operation === 'put' || operation === 'get'
  const percentileMs = (percent: number) =>
    tally.operationCount > 0 ? tally.latencyMicroseconds.percentile(percent) / 1000 : 0
  return {
    endpoint: target.endpoint.url,
    operation,
    sizeBytes: objects.sizeBytes,
    connections,
    operationCount: tally.operationCount,
    errorCount: [...tally.errors.values()].reduce((sum, count) => sum + count, 0),
    errors: Object.fromEntries(tally.errors),
    elapsedSeconds: seconds,
    operationsPerSecond: rate(tally.operationCount),
    mebibytesPerSecond: movesBytes ? rate(tally.operationCount * objects.sizeBytes) / 1_048_576 : 0,
    namesPerSecond: rate(tally.names),
    p50Ms: percentileMs(50),
    p90Ms: percentileMs(90),
    p99Ms: percentileMs(99),
  }
}

function ratiosOf(
  targets: readonly Target[],
  load: Load,
  sums: readonly SliceTally[],
  rates: readonly number[][],
): LoadRatio[] {
  const [first, ...others] = targets
  const firstRate = rateOf(sums[0])
  if (!first) return []
  return others.flatMap((other, index) => {
    const paired = (rates[0] ?? [])
      .map((rate, slice) => rate / (rates[index + 1]?.[slice] ?? 0))
      .filter((pair) => Number.isFinite(pair) && pair > 0)
    const ratio = firstRate / rateOf(sums[index + 1])
    if (!Number.isFinite(ratio)) return []
    return {
      operation: load.operation,
      sizeBytes: load.objects.sizeBytes,
      endpoint: first.endpoint.url,
      against: other.endpoint.url,
      ratio,
      lowest: Math.min(ratio, ...paired),
      highest: Math.max(ratio, ...paired),
    }
  })
}

function rateOf(tally: SliceTally | undefined): number {
  return tally && tally.elapsedMs > 0 ? tally.operationCount / tally.elapsedMs : 0
}
