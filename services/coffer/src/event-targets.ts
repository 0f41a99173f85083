import { readConfigFile } from '@coffer/config'
import { isCofferError } from '@coffer/errors'
import {
  type EventTarget,
  type EventTargetPlugin,
  SEND_TIMEOUT_MS_DEFAULT,
  SettledTooLate,
  settledWithin,
  withDeadline,
} from '@coffer/event-targets'
import { z } from 'zod'
import { cofferError } from './errors.ts'
import { loadPlugin } from './load-plugin.ts'

/** Loaded when a configuration names them, and not before. */
const BUILT_IN: Readonly<Record<string, () => Promise<EventTargetPlugin<never>>>> = {
  amqp: async () => (await import('@coffer/event-targets/targets/amqp')).amqpTarget as EventTargetPlugin<never>,
  kafka: async () => (await import('@coffer/event-targets/targets/kafka')).kafkaTarget as EventTargetPlugin<never>,
  nats: async () => (await import('@coffer/event-targets/targets/nats')).natsTarget as EventTargetPlugin<never>,
  postgres: async () =>
    (await import('@coffer/event-targets/targets/postgres')).postgresTarget as EventTargetPlugin<never>,
  redis: async () => (await import('@coffer/event-targets/targets/redis')).redisTarget as EventTargetPlugin<never>,
  webhook: async () =>
    (await import('@coffer/event-targets/targets/webhook')).webhookTarget as EventTargetPlugin<never>,
}

const HOUR_MS = 3_600_000
const targetName = z.string().regex(/^[a-z0-9-]{1,32}$/, '1 to 32 of a-z 0-9 -')

/** The file that COFFER_EVENTS_FILE names. A type is one of the built-in ones, or a package that exports a target. */
const EventsConfiguration = z.strictObject({
  /** Delivered events are kept for this long, to be replayed; 0: not at all. */
  keepHours: z.number().int().min(0).max(8_760).default(24),
  /** A message that a target has refused this often is a dead letter... */
  attemptsMax: z.number().int().min(1).max(100).default(8),
  /** ...and so is one that could not be delivered for this long. */
  waitHoursMax: z.number().int().min(1).max(8_760).default(168),
  /** Events of one target that may wait: more, and the oldest are dead letters... */
  waitingMax: z.number().int().min(1).max(100_000_000).default(1_000_000),
  /** ...of which the oldest are dropped when there are more than this. */
  deadLettersMax: z.number().int().min(1).max(100_000_000).default(100_000),
  /** Delivered events that are kept, however long. */
  keptMax: z.number().int().min(1).max(100_000_000).default(1_000_000),
  targets: z
    .record(
      targetName,
      z.looseObject({
        type: z.string().min(1),
        /** Whose buckets may use it; absent: all accounts'. */
        accounts: z.array(z.string().regex(/^\d{12}$/, 'the 12 digits of an account')).optional(),
        /** How long a message may take, as the built-in types have it too. */
        timeoutMs: z.number().int().min(100).max(60_000).optional(),
      }),
    )
    .default({}),
})

export interface EventTargets {
  readonly targets: ReadonlyMap<string, EventTarget>
  readonly keepMs: number
  readonly attemptsMax: number
  readonly waitMsMax: number
  readonly waitingMax: number
  readonly deadLettersMax: number
  readonly keptMax: number
  /** By target: whose buckets may use it. Absent: all accounts'. */
  readonly accounts: ReadonlyMap<string, ReadonlySet<string>>
  close(): Promise<void>
}

/** What notification configurations of an account's buckets may name. COFFER_EVENTS_CONFIGURATION_INVALID. */
export function eventTargetsOpenTo(eventsFile: string | undefined): (accountId: string) => readonly string[] {
  const targets = Object.entries(configurationOf(eventsFile).targets)
  return (accountId) =>
    targets.filter(([, { accounts }]) => accounts?.includes(accountId) ?? true).map(([name]) => name)
}

/** A target that is away does not stop the start: its events wait. COFFER_EVENTS_CONFIGURATION_INVALID. */
export async function openEventTargets(eventsFile: string | undefined): Promise<EventTargets> {
  const { targets: configured, keepHours, waitHoursMax, ...limits } = configurationOf(eventsFile)
  const targets = new Map<string, EventTarget>()
  const close = async () => {
    for (const target of targets.values()) await target.close()
  }
  try {
    for (const [name, { type, accounts: _, ...settings }] of Object.entries(configured)) {
      targets.set(name, await open(eventsFile ?? '', name, type, settings))
    }
  } catch (error) {
    await close()
    throw error
  }
  const accounts = new Map(
    Object.entries(configured).flatMap(([name, { accounts: ids }]) => (ids ? [[name, new Set(ids)] as const] : [])),
  )
  return { targets, accounts, ...limits, keepMs: keepHours * HOUR_MS, waitMsMax: waitHoursMax * HOUR_MS, close }
}

function configurationOf(eventsFile: string | undefined): z.infer<typeof EventsConfiguration> {
  const parsed = EventsConfiguration.safeParse(eventsFile === undefined ? {} : readConfigFile(eventsFile))
  if (!parsed.success) throw invalid(eventsFile ?? '', messagesOf(parsed.error))
  return parsed.data
}

type Settings = Readonly<Record<string, unknown>>

async function open(eventsFile: string, name: string, type: string, settings: Settings): Promise<EventTarget> {
  const plugin = await load(eventsFile, name, type)
  const isOurs = BUILT_IN[type] !== undefined
  const options = plugin.options.safeParse(isOurs ? settings : settingsFor(plugin, settings))
  if (!options.success) throw invalid(eventsFile, `targets.${name}: ${messagesOf(options.error)}`)
  try {
    const opening = plugin.open(options.data, { name })
    if (isOurs) return await opening
    const { timeoutMs = SEND_TIMEOUT_MS_DEFAULT } = settings as { timeoutMs?: number }
    return withDeadline(await openedWithin(opening, eventsFile, name, timeoutMs), timeoutMs)
  } catch (cause) {
    if (!isCofferError(cause)) throw cause
    const path = typeof cause.details.path === 'string' ? ` ${cause.details.path}` : ''
    throw invalid(eventsFile, `targets.${name}: ${cause.message}${path}`, cause)
  }
}

/** A third party's target is held to `timeoutMs` whether it knows such an option or not. */
function settingsFor(plugin: EventTargetPlugin, settings: Settings): Settings {
  const { timeoutMs: _, ...others } = settings
  return plugin.options.safeParse(settings).success ? settings : others
}

async function openedWithin(
  opening: Promise<EventTarget>,
  eventsFile: string,
  name: string,
  timeoutMs: number,
): Promise<EventTarget> {
  return await settledWithin(opening, timeoutMs).catch((cause: unknown) => {
    if (!(cause instanceof SettledTooLate)) throw cause
    throw invalid(eventsFile, `targets.${name}: its package has not opened it in ${timeoutMs} ms`, cause)
  })
}

async function load(eventsFile: string, name: string, type: string): Promise<EventTargetPlugin> {
  const builtIn = BUILT_IN[type]
  if (builtIn !== undefined) return (await builtIn()) as EventTargetPlugin
  const loaded = await loadPlugin<EventTargetPlugin>(eventsFile, type).catch((cause: unknown) => {
    const known = Object.keys(BUILT_IN).join(', ')
    const why = `targets.${name}.type: ${type} is neither one of ${known} nor a package that can be loaded`
    throw invalid(eventsFile, why, cause)
  })
  if (loaded?.options === undefined || loaded.open === undefined) {
    throw invalid(eventsFile, `targets.${name}.type: the package ${type} exports no event target`)
  }
  return loaded as EventTargetPlugin
}

/** Where and what, never the value: it may be a secret. */
function messagesOf(error: z.ZodError): string {
  return error.issues.map(({ path, message }) => `${path.join('.') || 'the file'}: ${message}`).join('; ')
}

function invalid(path: string, why: string, cause?: unknown) {
  return cofferError('COFFER_EVENTS_CONFIGURATION_INVALID', `${path}: ${why}`, { path }, { cause })
}
