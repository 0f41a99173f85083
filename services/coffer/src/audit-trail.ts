import { hostname } from 'node:os'
import { AuditLog, type AuditTarget, type AuditTargetPlugin, newChainId } from '@coffer/audit'
import { type Configuration, readConfigFile } from '@coffer/config'
import type { Logger, Mesh } from '@coffer/mesh'
import { z } from 'zod'
import { cofferError } from './errors.ts'
import { loadPlugin } from './load-plugin.ts'

/** Loaded when a configuration names them, and not before. */
const BUILT_IN: Readonly<Record<string, () => Promise<AuditTargetPlugin<never>>>> = {
  file: async () => (await import('@coffer/audit/targets/file')).fileTarget as AuditTargetPlugin<never>,
  nats: async () => (await import('@coffer/audit/targets/nats')).natsTarget as AuditTargetPlugin<never>,
  syslog: async () => (await import('@coffer/audit/targets/syslog')).syslogTarget as AuditTargetPlugin<never>,
  webhook: async () => (await import('@coffer/audit/targets/webhook')).webhookTarget as AuditTargetPlugin<never>,
}

/** The file that COFFER_AUDIT_FILE names. */
const AuditConfiguration = z.strictObject({
  whenStalled: z.enum(['block', 'refuse', 'drop']).default('block'),
  queueRecordsMax: z.number().int().min(100).max(1_000_000).default(10_000),
  targets: z
    .array(z.looseObject({ type: z.string().min(1) }))
    .min(1)
    .default([{ type: 'file' }]),
})

type Target = z.infer<typeof AuditConfiguration>['targets'][number]

export interface OpenedAuditTrail {
  readonly mode: 'changes' | 'all'
  readonly log: AuditLog
}

/**
 * The audit trail of this process, as configured: a chain of its own, signed by the KMS service. Undefined: it is off.
 * COFFER_AUDIT_CONFIGURATION_INVALID, AUDIT_TARGET_UNAVAILABLE.
 */
export async function openAuditTrail(
  { audit: mode, auditFile }: Pick<Configuration, 'audit' | 'auditFile'>,
  parts: { readonly mesh: Mesh; readonly auditDirectory: string; readonly logger: Logger },
): Promise<OpenedAuditTrail | undefined> {
  if (mode === 'off') return undefined
  const { whenStalled, queueRecordsMax, targets } = configurationOf(auditFile)
  const chain = newChainId()
  const kms = parts.mesh.use('kms')
  const log = new AuditLog({
    chain,
    writer: `${hostname()}/${process.pid}`,
    mode,
    targets: await openTargets(targets, auditFile, { chain, directory: parts.auditDirectory }),
    whenStalled,
    queueRecordsMax,
    sign: (head) => kms.signAuditHead(head),
    onTrouble: (event, facts) => tell(parts.logger, event, facts),
  })
  return { mode, log }
}

async function openTargets(
  targets: readonly Target[],
  auditFile: string | undefined,
  context: { readonly chain: string; readonly directory: string },
): Promise<AuditTarget[]> {
  const opened: AuditTarget[] = []
  for (const [index, { type, ...settings }] of targets.entries()) {
    const plugin = await load(type, index, auditFile)
    const options = plugin.options.safeParse(settings)
    if (!options.success) throw invalid(auditFile, `targets.${index}: ${messagesOf(options.error)}`)
    opened.push(await plugin.open(options.data, context))
  }
  return opened
}

async function load(type: string, index: number, auditFile = ''): Promise<AuditTargetPlugin> {
  const builtIn = BUILT_IN[type]
  if (builtIn !== undefined) return (await builtIn()) as AuditTargetPlugin
  const loaded = await loadPlugin<AuditTargetPlugin>(auditFile, type).catch(() => undefined)
  if (loaded?.options !== undefined && loaded.open !== undefined) return loaded as AuditTargetPlugin
  const known = Object.keys(BUILT_IN).join(', ')
  throw invalid(
    auditFile,
    `targets.${index}.type: ${type} is neither one of ${known} nor a package that exports a target`,
  )
}

function configurationOf(auditFile: string | undefined): z.infer<typeof AuditConfiguration> {
  const parsed = AuditConfiguration.safeParse(auditFile === undefined ? {} : readConfigFile(auditFile))
  if (parsed.success) return parsed.data
  throw invalid(auditFile, messagesOf(parsed.error))
}

/** Where and what, never the value: it may be a secret. */
function messagesOf(error: z.ZodError): string {
  return error.issues.map(({ path, message }) => `${path.join('.') || 'the file'}: ${message}`).join('; ')
}

function invalid(path = '', why: string) {
  return cofferError('COFFER_AUDIT_CONFIGURATION_INVALID', `${path}: ${why}`, { path })
}

function tell(logger: Logger, event: 'stalled' | 'recovered' | 'unsigned' | 'lost', facts: object): void {
  if (event === 'recovered') logger.info('the audit trail goes on')
  else if (event === 'stalled') logger.error(facts, 'an audit target takes no records; it is tried again')
  else if (event === 'unsigned')
    logger.warn(facts, 'the audit trail could not be signed now; the next signature covers it')
  else logger.error(facts, 'audit records are lost')
}
