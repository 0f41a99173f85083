import { openCollectorExporter } from './collector-exporter.ts'
import { reasonOf, TAKEN } from './span-queue.ts'
import type { TraceSettings } from './trace-settings.ts'

/** Sends a collector no spans at all. Why it takes none, as a code; undefined: it would. TRACING_SETTINGS_INVALID. */
export async function probeCollector(settings: TraceSettings): Promise<string | undefined> {
  const { exporter, close } = openCollectorExporter(settings)
  try {
    return await new Promise((resolve) => {
      exporter.export([], ({ code, error }) => resolve(code === TAKEN ? undefined : reasonOf(error)))
    })
  } finally {
    close()
  }
}
