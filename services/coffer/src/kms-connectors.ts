import { readConfigFile } from '@coffer/config'
import type { KmsCircuit } from '@coffer/contracts'
import { isCofferError } from '@coffer/errors'
import {
  type KmsConnector,
  type KmsConnectorPlugin,
  type KmsRecords,
  LOCAL_CONNECTOR,
  type RemovableRecords,
} from '@coffer/kms'
import { type DomainKey, openLocalConnector, sealedRecords } from '@coffer/kms/connectors/local'
import { RESILIENCE_DEFAULTS, resilient } from '@coffer/kms/resilient'
import type { Logger } from '@coffer/mesh'
import type { Tracer } from '@coffer/tracing'
import { z } from 'zod'
import { cofferError } from './errors.ts'
import { loadPlugin } from './load-plugin.ts'
import type { ProcessMetrics } from './metrics/process-metrics.ts'
import { traceKms } from './tracing/trace-stores.ts'

const ALIAS_WORD = 'alias'

/** Loaded when a configuration names them, and not before. */
const BUILT_IN: Readonly<Record<string, () => Promise<KmsConnectorPlugin<never>>>> = {
  aws: async () => (await import('@coffer/kms/connectors/aws')).awsConnector as KmsConnectorPlugin<never>,
  azure: async () => (await import('@coffer/kms/connectors/azure')).azureConnector as KmsConnectorPlugin<never>,
  gcp: async () => (await import('@coffer/kms/connectors/gcp')).gcpConnector as KmsConnectorPlugin<never>,
  kes: async () => (await import('@coffer/kms/connectors/kes')).kesConnector as KmsConnectorPlugin<never>,
  kmip: async () => (await import('@coffer/kms/connectors/kmip')).kmipConnector as KmsConnectorPlugin<never>,
  pkcs11: async () => (await import('@coffer/kms/connectors/pkcs11')).pkcs11Connector as KmsConnectorPlugin<never>,
  vault: async () => (await import('@coffer/kms/connectors/vault')).vaultConnector as KmsConnectorPlugin<never>,
}

const connectorName = z.string().regex(/^[a-z0-9-]{1,32}$/, '1 to 32 of a-z 0-9 -')

/** The file that COFFER_KMS_FILE names. */
const KmsConfiguration = z.strictObject({
  default: connectorName.optional(),
  connectors: z.record(connectorName, z.looseObject({ type: z.string().min(1) })).optional(),
})

export interface KmsConnectorsOptions {
  /** Not called where the configuration is refused. */
  readonly openDomainKey: (records: KmsRecords) => Promise<DomainKey>
  readonly kmsFile?: string | undefined
  readonly metrics?: ProcessMetrics | undefined
  readonly tracer?: Tracer | undefined
}

export interface KmsConnectors {
  readonly connectors: readonly KmsConnector[]
  readonly defaultConnector: string
  /** Opens and seals the master keys of the built-in KMS. */
  readonly domainKey: DomainKey
  /** For aliases and settings of keys: sealed under the domain key, beside the connectors' own records. */
  readonly records: RemovableRecords
  /** Those that may be away, and whether they are asked now. */
  circuits(): readonly KmsCircuit[]
  close(): Promise<void>
}

/**
 * The built-in connector and those that the file configures, each of them resilient. A connector whose KMS is away does not
 * stop the start: what needs it fails until it is back. COFFER_KMS_CONFIGURATION_INVALID,
 * and what `openDomainKey` is refused with.
 */
export async function openKmsConnectors(
  options: KmsConnectorsOptions,
  records: RemovableRecords,
  logger: Logger,
): Promise<KmsConnectors> {
  const { defaultConnector, configured } = configurationOf(options.kmsFile)
  const domainKey = await options.openDomainKey(records)
  const { metrics, tracer } = options
  const watched = (connector: KmsConnector) => {
    const metered = metrics?.calls.metered(connector) ?? connector
    return traceKms(metered, tracer, connector.name === LOCAL_CONNECTOR)
  }
  const local = watched(openLocalConnector({ domainKey }, { name: LOCAL_CONNECTOR, records }))
  const connectors = [local]
  /** When those that are not closed were opened, or opened again. */
  const openedAtMs = new Map<string, number>()
  const circuitOf = (connector: string): KmsCircuit => {
    const atMs = openedAtMs.get(connector)
    if (atMs === undefined) return { connector, state: 'closed' }
    return { connector, state: performance.now() - atMs < RESILIENCE_DEFAULTS.openMs ? 'open' : 'half-open' }
  }
  const close = async () => {
    for (const connector of connectors) await connector.close()
  }
  try {
    await local.selfTest()
    for (const { name, settings, kmsFile } of configured) {
      const opened = await open(kmsFile, name, settings, records)
      const showBreaker = metrics?.calls.breakerOf(name)
      const onBreaker = (isOpen: boolean) => {
        if (isOpen) openedAtMs.set(name, performance.now())
        else openedAtMs.delete(name)
        showBreaker?.(isOpen)
      }
      const connector = watched(resilient(opened, { ...limitsOf(settings), onBreaker }))
      connectors.push(connector)
      connector.selfTest().catch((error: unknown) => warn(logger, name, error))
    }
  } catch (error) {
    await close()
    throw error
  }
  return {
    connectors,
    defaultConnector,
    domainKey,
    records: sealedRecords(records, domainKey),
    circuits: () => configured.map(({ name }) => circuitOf(name)),
    close,
  }
}

interface ConfiguredConnector {
  readonly name: string
  readonly settings: { readonly type: string; readonly [option: string]: unknown }
  readonly kmsFile: string
}

function configurationOf(kmsFile: string | undefined): {
  defaultConnector: string
  configured: readonly ConfiguredConnector[]
} {
  if (kmsFile === undefined) return { defaultConnector: LOCAL_CONNECTOR, configured: [] }
  const parsed = KmsConfiguration.safeParse(readConfigFile(kmsFile))
  if (!parsed.success) throw invalid(kmsFile, messagesOf(parsed.error))
  const { default: defaultConnector = LOCAL_CONNECTOR, connectors = {} } = parsed.data
  if (LOCAL_CONNECTOR in connectors) throw invalid(kmsFile, 'connectors.local: the name of the built-in connector')
  if (ALIAS_WORD in connectors) throw invalid(kmsFile, 'connectors.alias: what the names of aliases begin with')
  if (defaultConnector !== LOCAL_CONNECTOR && !(defaultConnector in connectors)) {
    throw invalid(kmsFile, `default: there is no connector ${defaultConnector}`)
  }
  const configured = Object.entries(connectors).map(([name, settings]) => ({ name, settings, kmsFile }))
  return { defaultConnector, configured }
}

async function open(
  kmsFile: string,
  name: string,
  { type, ...settings }: { readonly type: string },
  records: KmsRecords,
): Promise<KmsConnector> {
  const plugin = await load(kmsFile, name, type)
  const options = plugin.options.safeParse(settings)
  if (!options.success) throw invalid(kmsFile, `connectors.${name}: ${messagesOf(options.error)}`)
  return plugin.open(options.data, { name, records: recordsOf(name, records) })
}

async function load(kmsFile: string, name: string, type: string): Promise<KmsConnectorPlugin> {
  const builtIn = BUILT_IN[type]
  if (builtIn !== undefined) return (await builtIn()) as KmsConnectorPlugin
  const plugin = await loadPlugin<KmsConnectorPlugin>(kmsFile, type).catch((cause: unknown) => {
    const known = Object.keys(BUILT_IN).join(', ')
    const why = `connectors.${name}.type: ${type} is neither one of ${known} nor a package that can be loaded`
    throw cofferError('COFFER_KMS_CONFIGURATION_INVALID', `${kmsFile}: ${why}`, { path: kmsFile }, { cause })
  })
  if (plugin?.options === undefined || plugin.open === undefined) {
    throw invalid(kmsFile, `connectors.${name}.type: the package ${type} exports no KMS connector`)
  }
  return plugin as KmsConnectorPlugin
}

/** A connector that has an option `timeoutMs` gets as long for an attempt, and twice as long in all. */
function limitsOf(settings: Readonly<Record<string, unknown>>): { timeoutMs?: number; deadlineMs?: number } {
  const { timeoutMs } = settings
  return typeof timeoutMs === 'number' ? { timeoutMs, deadlineMs: 2 * timeoutMs } : {}
}

/** What a connector keeps of its own is apart from the master keys and from other connectors. */
function recordsOf(name: string, records: KmsRecords): KmsRecords {
  const place = `connector/${name}/`
  return {
    find: (id) => records.find(place + id),
    put: (id, value, expectedRevision) => records.put(place + id, value, expectedRevision),
    async list({ prefix, afterId, limit }) {
      const found = await records.list({ prefix: place + prefix, afterId: afterId && place + afterId, limit })
      return found.map(({ id, value }) => ({ id: id.slice(place.length), value }))
    },
  }
}

/** Where and what, never the value: it may be a secret. */
function messagesOf(error: z.ZodError): string {
  return error.issues.map(({ path, message }) => `${path.join('.') || 'the file'}: ${message}`).join('; ')
}

function warn(logger: Logger, connector: string, error: unknown): void {
  const code = isCofferError(error) ? error.code : 'KMS_UNAVAILABLE'
  logger.warn({ connector, code }, 'a KMS cannot be used now; what needs it fails until it can')
}

function invalid(path: string, why: string) {
  return cofferError('COFFER_KMS_CONFIGURATION_INVALID', `${path}: ${why}`, { path })
}
