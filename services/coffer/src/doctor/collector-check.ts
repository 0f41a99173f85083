import type { Configuration } from '@coffer/config'
import { traceSettingsOf } from '../tracing/open-tracing.ts'
import { type Finding, ok, problem, reasonOf } from './finding.ts'

/** Whether the collector takes traces, with the headers and the certificates that are configured; it is sent none. */
export async function checkCollector(configuration: Configuration): Promise<Finding[]> {
  const settings = traceSettingsOf(configuration)
  if (settings === undefined) return []
  try {
    const { probeCollector } = await import('@coffer/tracing/open-telemetry')
    const refusal = await probeCollector(settings)
    if (refusal === undefined) return [ok('traces', settings.endpoint, 'takes traces')]
    return [problem('traces-unreachable', settings.endpoint, `takes no traces: ${refusal}`)]
  } catch (error) {
    return [problem('traces-unreachable', settings.endpoint, reasonOf(error))]
  }
}
