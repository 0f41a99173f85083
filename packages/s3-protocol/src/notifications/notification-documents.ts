import { randomUUID } from 'node:crypto'
import { invalidArgument, s3Error } from '../errors.ts'
import { findChild, findText, knownChildren, parseXml, type XmlElement } from '../xml/parse-xml.ts'
import { element, xmlDocument } from '../xml/write-xml.ts'
import { eventsNamed } from './event-names.ts'
import {
  EVENT_BRIDGE_TARGET,
  type KeyFilter,
  type NotificationConfiguration,
  type NotificationRule,
  targetOfArn,
} from './notification-rules.ts'

/** S3 User Guide, "Amazon S3 event notification types and destinations": 100 configurations in a bucket. */
const RULES_MAX = 100
const EVENTS_MAX = 50
const ID_CHARS_MAX = 255
const FILTER_CHARS_MAX = 1024
const SHOWN_CHARS_MAX = 100

/** By element: the kind, and the element that names the destination. `CloudFunction` is how the S3 API calls a Lambda function. */
const KINDS = {
  TopicConfiguration: ['topic', 'Topic'],
  QueueConfiguration: ['queue', 'Queue'],
  CloudFunctionConfiguration: ['function', 'CloudFunction'],
} as const

/**
 * PutBucketNotificationConfiguration: destinations have to be among `targets`. An empty document turns notifications off.
 * MalformedXML, InvalidArgument.
 */
export function parseNotificationConfiguration(
  bytes: Uint8Array,
  targets: readonly string[],
): NotificationConfiguration {
  const elements = knownChildren(parseXml(bytes, 'NotificationConfiguration'), [
    ...Object.keys(KINDS),
    'EventBridgeConfiguration',
  ])
  const eventBridge = elements.some(({ name }) => name === 'EventBridgeConfiguration')
  const rules = elements
    .filter(({ name }) => name in KINDS)
    .map((rule) => parseRule(rule, KINDS[rule.name as keyof typeof KINDS], targets))
  if (rules.length > RULES_MAX) throw s3Error('MalformedXML')
  if (eventBridge && !targets.includes(EVENT_BRIDGE_TARGET)) throw unknownDestination('EventBridge')
  if (new Set(rules.map(({ id }) => id)).size < rules.length) {
    throw s3Error('InvalidArgument', { message: 'Same ID used for multiple configurations. IDs must be unique' })
  }
  assertUnambiguous(rules)
  return { rules, eventBridge }
}

function parseRule(
  rule: XmlElement,
  [kind, destination]: (typeof KINDS)[keyof typeof KINDS],
  targets: readonly string[],
): NotificationRule {
  knownChildren(rule, ['Id', 'Event', 'Filter', destination])
  const id = findText(rule, 'Id')?.trim() || randomUUID()
  if (id.length > ID_CHARS_MAX) throw invalidArgument('Id', id.slice(0, SHOWN_CHARS_MAX), 'The ID is too long.')
  const arn = findText(rule, destination)?.trim()
  const events = rule.children.filter(({ name }) => name === 'Event').map(({ text }) => text.trim())
  if (arn === undefined || events.length === 0 || events.length > EVENTS_MAX) throw s3Error('MalformedXML')
  for (const event of events) {
    if (eventsNamed(event).length > 0) continue
    const shown = event.slice(0, SHOWN_CHARS_MAX)
    throw invalidArgument('Event', shown, `The event '${shown}' is not supported for notifications`)
  }
  const filter = findChild(rule, 'Filter')
  const target = targetOfArn(arn, targets)
  if (target === undefined) throw unknownDestination(arn)
  return { id, kind, arn, target, events: [...new Set(events)], ...(filter && { filter: parseFilter(filter) }) }
}

function unknownDestination(destination: string) {
  const message = 'Unable to validate the following destination configurations'
  return invalidArgument('Destination', destination.slice(0, SHOWN_CHARS_MAX), message)
}

function parseFilter(filter: XmlElement): KeyFilter {
  knownChildren(filter, ['S3Key'])
  const s3Key = findChild(filter, 'S3Key')
  const parsed: { prefix?: string; suffix?: string } = {}
  for (const rule of s3Key ? knownChildren(s3Key, ['FilterRule']) : []) {
    knownChildren(rule, ['Name', 'Value'])
    const name = findText(rule, 'Name')?.trim().toLowerCase()
    const value = findText(rule, 'Value') ?? ''
    if (name !== 'prefix' && name !== 'suffix') {
      throw s3Error('InvalidArgument', { message: 'filter rule name must be either prefix or suffix' })
    }
    if (parsed[name] !== undefined) {
      throw s3Error('InvalidArgument', { message: `Cannot specify more than one ${name} rule in a filter.` })
    }
    if (value.length > FILTER_CHARS_MAX) {
      throw s3Error('InvalidArgument', { message: `Size of filter rule value cannot exceed ${FILTER_CHARS_MAX} bytes` })
    }
    parsed[name] = value
  }
  return parsed
}

/** No event of a key may fit two configurations, wherever they go. */
function assertUnambiguous(rules: readonly NotificationRule[]): void {
  const filters = rules.map(({ filter, events }) => ({
    prefix: filter?.prefix ?? '',
    suffix: filter?.suffix ?? '',
    events: new Set(events.flatMap(eventsNamed)),
  }))
  for (const [index, one] of filters.entries()) {
    for (const other of filters.slice(index + 1)) {
      if (one.events.isDisjointFrom(other.events)) continue
      if (!one.prefix.startsWith(other.prefix) && !other.prefix.startsWith(one.prefix)) continue
      if (!one.suffix.endsWith(other.suffix) && !other.suffix.endsWith(one.suffix)) continue
      const message =
        'Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type.'
      throw s3Error('InvalidArgument', { message })
    }
  }
}

/** GetBucketNotificationConfiguration. */
export function renderNotificationConfiguration({ rules, eventBridge }: NotificationConfiguration): string {
  const rendered = rules.map(({ id, kind, arn, events, filter }) => {
    const [name, [, destination]] = Object.entries(KINDS).find(([, [known]]) => known === kind) ?? ['', ['', '']]
    const filters = [
      ['prefix', filter?.prefix],
      ['suffix', filter?.suffix],
    ]
      .filter(([, value]) => value !== undefined)
      .map(([rule, value]) => `<FilterRule>${element('Name', rule)}${element('Value', value)}</FilterRule>`)
    const content =
      element('Id', id) +
      element(destination, arn) +
      events.map((event) => element('Event', event)).join('') +
      (filters.length > 0 ? `<Filter><S3Key>${filters.join('')}</S3Key></Filter>` : '')
    return `<${name}>${content}</${name}>`
  })
  const bridge = eventBridge ? '<EventBridgeConfiguration></EventBridgeConfiguration>' : ''
  return xmlDocument('NotificationConfiguration', rendered.join('') + bridge)
}
