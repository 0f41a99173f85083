import type { DomainKeyExport } from '@coffer/kms/connectors/local'
import type { TraceSettings } from '@coffer/tracing/open-telemetry'
import type { AdoptionSettings } from './adopt-source.ts'
import type { MetricsRequest } from './metrics/child-metrics.ts'
import type { StatusRequest } from './status/child-statuses.ts'
import type { StoreDirectories } from './store-services.ts'

/** What a process needs to work on the store. */
export interface JobStart {
  readonly directories: StoreDirectories
  readonly domainKey: DomainKeyExport
  readonly kmsFile: string | undefined
  readonly writerId: string
  readonly log: { readonly level: string; readonly json: boolean }
}

/** What the job process is told by the supervisor, over the channel between them: never by arguments or environment. */
export type JobProcessMessage =
  | ({
      readonly kind: 'start'
      /** Whether it may be asked for its numbers. */
      readonly metrics: boolean
      readonly traces: TraceSettings | undefined
      readonly adoption: AdoptionSettings
    } & JobStart)
  | MetricsRequest
  | StatusRequest
  | { readonly kind: 'stop' }
