import type { DomainKeyExport } from '@coffer/kms/connectors/local'
import type { StoreDirectories } from './store-services.ts'

/** What the job process is told by the supervisor, over the channel between them: never by arguments or environment. */
export type JobProcessMessage =
  | {
      readonly kind: 'start'
      readonly directories: StoreDirectories
      readonly domainKey: DomainKeyExport
      readonly kmsFile: string | undefined
      readonly writerId: string
      readonly log: { readonly level: string; readonly json: boolean }
    }
  | { readonly kind: 'stop' }
