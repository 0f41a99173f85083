import { resourceFromAttributes } from '@opentelemetry/resources'
import { AlwaysOnSampler, TracerProvider } from '@opentelemetry/sdk-trace'
import { openCollectorExporter } from './collector-exporter.ts'
import { OpenTelemetryTracer } from './open-telemetry-tracer.ts'
import { type CollectorListener, SpanQueue } from './span-queue.ts'
import type { TracedService, TraceSettings } from './trace-settings.ts'

export type { OpenTelemetryTracer } from './open-telemetry-tracer.ts'
export { probeCollector } from './probe-collector.ts'
export type { CollectorListener, SpanFigures } from './span-queue.ts'
export type { TraceSettings } from './trace-settings.ts'

/** Everything below is loaded with this file, where traces are wanted and nowhere else. TRACING_SETTINGS_INVALID. */
export function openTracer(
  settings: TraceSettings,
  service: TracedService,
  onChange: CollectorListener,
): OpenTelemetryTracer {
  const { exporter, close } = openCollectorExporter(settings)
  const queue = new SpanQueue(exporter, onChange)
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      'service.name': service.name,
      'service.version': service.version,
      'service.instance.id': service.instanceId,
    }),
    sampler: new AlwaysOnSampler(),
    spanProcessors: [queue],
  })
  return new OpenTelemetryTracer(settings, provider, queue, close)
}
