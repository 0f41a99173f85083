import type { SpanFigures } from '@coffer/tracing/open-telemetry'
import { Counter, type Registry } from 'prom-client'

/** A tracer, as far as it is counted. */
export interface TracedFigures {
  readonly figures: SpanFigures
}

/** What has become of the spans of this process. */
export function countSpans(tracer: TracedFigures, registry: Registry): void {
  new Counter({
    name: 'coffer_trace_spans_total',
    help: 'Spans by outcome: exported, or lost as too many waited or the collector took none.',
    labelNames: ['outcome'],
    registers: [registry],
    collect() {
      const { exportedCount, lostCount } = tracer.figures
      this.reset()
      this.inc({ outcome: 'exported' }, exportedCount)
      this.inc({ outcome: 'lost' }, lostCount)
    },
  })
}
