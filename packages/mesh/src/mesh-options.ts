import type { Secret } from '@coffer/crypto-core'
import type { Tracer } from '@coffer/tracing'
import type { Logger } from './logger.ts'

export interface NatsOptions {
  /** `nats://host:port` or `tls://host:port`; several of one cluster separated by commas. */
  readonly url: string
  readonly user?: string
  readonly password?: Secret
  /** A `.creds` file: JWT and seed. */
  readonly credentialsFile?: string
  readonly tls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string }
}

export type CallObserver = (outcome: 'ok' | 'refused' | 'unavailable', seconds: number) => void

export interface MeshOptions {
  /** Random by default; the node id on the mesh. */
  readonly processId?: string
  /** What the random node id begins with, so that NATS can be told who may speak to whom. */
  readonly role?: string
  readonly logger: Logger
  /** Absent: every service is in this process. */
  readonly nats?: NatsOptions
  /** Shared by all services of a mesh; required with `nats`. 32 bytes. */
  readonly meshKey?: Secret
  readonly requestTimeoutMs?: number
  /** Who is told how calls to other processes end, by action; `unavailable`: no answer came. */
  readonly observerOf?: ((action: string) => CallObserver) | undefined
  /** Absent: nothing is traced. */
  readonly tracer?: Tracer | undefined
}
