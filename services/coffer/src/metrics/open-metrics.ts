import type { MetricsAnswer } from './child-metrics.ts'
import type { ProcessMetrics } from './process-metrics.ts'
import type { TracedFigures } from './trace-metrics.ts'

/** Undefined, and nothing loaded, where nobody will ask. `tracer`: what it does is counted, and requests are shown by their traces. */
export async function openMetrics(isWanted: boolean, tracer?: TracedFigures): Promise<ProcessMetrics | undefined> {
  if (!isWanted) return undefined
  const { ProcessMetrics } = await import('./process-metrics.ts')
  return new ProcessMetrics(tracer)
}

/** Tells the process that started this one. Resolves when that is said. */
export async function tellMetrics(metrics: ProcessMetrics | undefined): Promise<void> {
  if (metrics === undefined || process.send === undefined || !process.connected) return
  const answer: MetricsAnswer = { kind: 'metrics', metrics: await metrics.snapshot() }
  await new Promise<void>((resolve) => process.send?.(answer, undefined, undefined, () => resolve()))
}
