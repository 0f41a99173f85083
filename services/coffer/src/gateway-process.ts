import type { PlacedBlobStore } from '@coffer/blob-store'
import type { Configuration } from '@coffer/config'
import type { AuditState } from '@coffer/contracts'
import { chooseDataAlgorithm } from '@coffer/crypto-core'
import type { Logger, Mesh } from '@coffer/mesh'
import { createGateway } from '@coffer/service-gateway'
import { openAuditTrail } from './audit-trail.ts'
import { CertificateStore } from './certificates/certificate-store.ts'
import { type TlsSettings, tlsSettingsOf } from './certificates/tls-settings.ts'
import { eventTargetsOpenTo } from './event-targets.ts'
import { listen } from './listener.ts'
import type { ProcessMetrics } from './metrics/process-metrics.ts'
import { replicationDestinationNames } from './replication-destinations.ts'

/** How long a target that takes no records may hold up a stop. */
const AUDIT_DRAIN_MS = 1_500

/** The settings that decide how requests are answered; plain data, as workers are sent them. */
export type GatewaySettings = Pick<
  Configuration,
  | 'address'
  | 'allowHttp'
  | keyof TlsSettings
  | 'region'
  | 'domains'
  | 'dataAlgorithm'
  | 'blockedEncryptionTypes'
  | 'publicAccess'
  | 'rateLimitPerAddress'
  | 'rateLimitPerAccessKey'
  | 'failedSignaturesPerMinute'
  | 'audit'
  | 'fips'
  | 'auditFile'
  | 'objectOwnership'
  | 'signatureVersion2'
  | 'accessLogSeconds'
  | 'websiteDomains'
  | 'inlineSizeBytesMax'
  | 'eventsFile'
  | 'replicationFile'
  | 'logLevel'
  | 'logFormat'
>

export function gatewaySettingsOf(configuration: Configuration): GatewaySettings {
  const { address, allowHttp, region, domains, dataAlgorithm, inlineSizeBytesMax, logLevel, logFormat } = configuration
  const { blockedEncryptionTypes, publicAccess, audit, auditFile, fips, eventsFile, replicationFile } = configuration
  const { objectOwnership, signatureVersion2, accessLogSeconds, websiteDomains } = configuration
  return {
    address,
    allowHttp,
    ...tlsSettingsOf(configuration),
    rateLimitPerAddress: configuration.rateLimitPerAddress,
    rateLimitPerAccessKey: configuration.rateLimitPerAccessKey,
    failedSignaturesPerMinute: configuration.failedSignaturesPerMinute,
    region,
    domains,
    dataAlgorithm,
    blockedEncryptionTypes,
    publicAccess,
    audit,
    fips,
    auditFile,
    objectOwnership,
    signatureVersion2,
    accessLogSeconds,
    websiteDomains,
    inlineSizeBytesMax,
    eventsFile,
    replicationFile,
    logLevel,
    logFormat,
  }
}

export interface GatewayParts {
  readonly mesh: Mesh
  readonly blobs: PlacedBlobStore
  readonly writerId: string
  readonly certsDirectory: string
  /** Where the audit trail's files go, unless it is told otherwise. */
  readonly auditDirectory: string
  readonly bucketLeaseMs: number
  readonly logger: Logger
  readonly metrics?: ProcessMetrics | undefined
}

export interface RunningGateway {
  readonly port: number
  audit(): AuditState
  /** Reads certificates and whom to trust as a client again, at once. */
  reload(): Promise<void>
  /**
   * Takes no more connections; resolves when the requests in flight have ended, at most `drainMs` later. Before that clients are told to
   * go to another gateway, for `farewellMs` at most.
   */
  stop(drainMs: number, farewellMs?: number): Promise<void>
}

/** The gateway behind its port. COFFER_ADDRESS_UNAVAILABLE, COFFER_CERTIFICATE_INVALID. */
export async function startGateway(settings: GatewaySettings, parts: GatewayParts): Promise<RunningGateway> {
  const { certsDirectory, auditDirectory, metrics, ...gatewayParts } = parts
  const audit = await openAuditTrail(settings, { mesh: parts.mesh, auditDirectory, logger: parts.logger })
  if (audit) metrics?.audit.follow(audit.log)
  const certificates = await CertificateStore.open(certsDirectory, parts.logger, settings)
  const gateway = await createGateway({
    ...gatewayParts,
    region: settings.region,
    domains: settings.domains,
    dataAlgorithm: chooseDataAlgorithm(settings.dataAlgorithm),
    blockedEncryptionTypes: settings.blockedEncryptionTypes === 'none' ? [] : [settings.blockedEncryptionTypes],
    blocksPublicAccess: settings.publicAccess === 'blocked',
    objectOwnership: settings.objectOwnership,
    websiteDomains: settings.websiteDomains,
    accessLogSeconds: settings.accessLogSeconds,
    allowsSignatureVersion2: settings.signatureVersion2 === 'allowed',
    inlineSizeBytesMax: settings.inlineSizeBytesMax,
    rateLimits: settings,
    audit,
    eventTargetsOpenTo: eventTargetsOpenTo(settings.eventsFile),
    replicationDestinations: replicationDestinationNames(settings.replicationFile),
    observer: metrics?.requests,
  })
  const { address, allowHttp } = settings
  const handler = gateway.handler.bind(gateway)
  const listener = await listen({ address, allowHttp, certificates, handler })
  return {
    port: listener.port,
    audit: () => (audit === undefined ? { mode: 'off' } : { mode: audit.mode, ...audit.log.figures }),
    reload: () => certificates.reload(),
    async stop(drainMs, farewellMs) {
      gateway.endStreams()
      await listener.close(drainMs, farewellMs)
      await gateway.close()
      await audit?.log.close(AUDIT_DRAIN_MS)
      certificates.close()
    },
  }
}
