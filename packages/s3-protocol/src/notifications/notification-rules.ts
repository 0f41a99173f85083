import { eventMatches } from './event-names.ts'

export interface KeyFilter {
  readonly prefix?: string
  readonly suffix?: string
}

/** One configuration of a bucket: which events go where. */
export interface NotificationRule {
  readonly id: string
  readonly kind: 'topic' | 'queue' | 'function'
  /** The destination as it was given... */
  readonly arn: string
  /** ...and the configured target that it names. */
  readonly target: string
  readonly events: readonly string[]
  readonly filter?: KeyFilter
}

export interface NotificationConfiguration {
  readonly rules: readonly NotificationRule[]
  /** All events go to the target `eventbridge` too. */
  readonly eventBridge: boolean
}

/** Who gets an event: a target, and the id of the rule that says so. */
export interface NotifiedTarget {
  readonly target: string
  readonly configurationId: string
}

/** The target that an EventBridge configuration stands for. */
export const EVENT_BRIDGE_TARGET = 'eventbridge'

export function targetsOf(configuration: NotificationConfiguration, event: string, key: string): NotifiedTarget[] {
  const notified = configuration.rules
    .filter(({ events, filter }) => eventMatches(events, event) && keyMatches(filter, key))
    .map(({ target, id }) => ({ target, configurationId: id }))
  return configuration.eventBridge
    ? [...notified, { target: EVENT_BRIDGE_TARGET, configurationId: EVENT_BRIDGE_TARGET }]
    : notified
}

export function keyMatches(filter: KeyFilter | undefined, key: string): boolean {
  return key.startsWith(filter?.prefix ?? '') && key.endsWith(filter?.suffix ?? '')
}

const TARGET_NAME = /^[a-z0-9-]{1,32}$/

/**
 * The target that a destination names: the last part of an ARN of AWS (`arn:aws:sqs:us-east-1:123456789012:audit`,
 * `arn:aws:lambda:us-east-1:123456789012:function:audit`), or the id in one of MinIO (`arn:minio:sqs::audit:webhook`).
 * Undefined where it is no such ARN, or names no target that there is.
 */
export function targetOfArn(arn: string, targets: readonly string[]): string | undefined {
  const parts = arn.split(':')
  const [scheme, partition, service] = parts
  if (scheme !== 'arn') return undefined
  if (partition === 'minio') return service === 'sqs' && parts.length === 6 ? known(parts[4]) : undefined
  if (!/^aws(-[a-z-]+)?$/.test(partition ?? '')) return undefined
  if (service === 'sqs' || service === 'sns') return parts.length === 6 ? known(parts[5]) : undefined
  if (service !== 'lambda' || parts[5] !== 'function') return undefined
  return parts.length === 7 || parts.length === 8 ? known(parts[6]) : undefined

  function known(name: string | undefined): string | undefined {
    return name !== undefined && TARGET_NAME.test(name) && targets.includes(name) ? name : undefined
  }
}
