import type { CofferErrorShape } from '@coffer/errors'
import type { DomainKeyExport } from '@coffer/kms/connectors/local'
import type { TraceSettings } from '@coffer/tracing/open-telemetry'
import type { GatewaySettings } from './gateway-process.ts'
import type { IdentityOptions } from './identities.ts'
import type { MetricsAnswer, MetricsRequest } from './metrics/child-metrics.ts'
import type { StatusAnswer, StatusRequest } from './status/child-statuses.ts'
import type { StoreDirectories } from './store-services.ts'

/** What a worker is told by the supervisor, over the channel between them: never by arguments or environment. */
export type SupervisorMessage =
  | {
      readonly kind: 'start'
      readonly settings: GatewaySettings
      readonly directories: StoreDirectories & { readonly certsDirectory: string; readonly auditDirectory: string }
      /** Not the root key: that stays with the supervisor, and may be replaced meanwhile. */
      readonly domainKey: DomainKeyExport
      readonly kmsFile: string | undefined
      readonly identities: IdentityOptions
      readonly writerId: string
      /** Whether it may be asked for its numbers. */
      readonly metrics: boolean
      readonly traces: TraceSettings | undefined
    }
  | MetricsRequest
  | StatusRequest
  | { readonly kind: 'reload' }
  | { readonly kind: 'stop'; readonly drainMs: number }

export type WorkerMessage =
  | { readonly kind: 'ready'; readonly port: number }
  | MetricsAnswer
  | StatusAnswer
  | { readonly kind: 'failed'; readonly error: CofferErrorShape }
