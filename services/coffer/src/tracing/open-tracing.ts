import { randomUUID } from 'node:crypto'
import type { Configuration } from '@coffer/config'
import { createLogger, type Logger } from '@coffer/mesh'
import type { OpenTelemetryTracer, TraceSettings } from '@coffer/tracing/open-telemetry'
import packageJson from '../../package.json' with { type: 'json' }

/** All processes of one `coffer server`. */
export const TRACED_AS = 'coffer'

export interface Tracing {
  readonly logger: Logger
  /** Undefined, and nothing loaded, where no traces are wanted. */
  readonly tracer: OpenTelemetryTracer | undefined
}

export function traceSettingsOf(configuration: Configuration): TraceSettings | undefined {
  const { tracesEndpoint, tracesSampleRatio, tracesClientContext, tracesCaFile, tracesHeadersFile } = configuration
  if (tracesEndpoint === undefined) return undefined
  return {
    endpoint: tracesEndpoint,
    sampleRatio: tracesSampleRatio,
    clientContext: tracesClientContext,
    caFile: tracesCaFile,
    headersFile: tracesHeadersFile,
  }
}

/**
 * The log and the traces of a process: lines of the log say what trace they belong to. `service`: of whom the spans tell. TRACING_SETTINGS_INVALID.
 */
export async function openTracing(
  settings: TraceSettings | undefined,
  service: string,
  log: Parameters<typeof createLogger>[0],
): Promise<Tracing> {
  if (settings === undefined) return { logger: createLogger(log), tracer: undefined }
  const { openTracer } = await import('@coffer/tracing/open-telemetry')
  const { carryOutbound } = await import('@coffer/tracing/outbound')
  const identity = { name: service, version: packageJson.version, instanceId: randomUUID() }
  const tracer = openTracer(settings, identity, ({ isAway, reason }) => {
    if (isAway) logger.warn({ reason }, 'the collector takes no traces; they are left out until it does')
    else logger.info('the collector takes traces again')
  })
  carryOutbound(tracer)
  const logger = createLogger({ ...log, tracer })
  return { logger, tracer }
}
