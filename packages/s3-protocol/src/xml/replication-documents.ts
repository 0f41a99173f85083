import { randomUUID } from 'node:crypto'
import { s3Error } from '../errors.ts'
import type {
  ReplicationConfiguration,
  ReplicationDestinationRule,
  ReplicationFilter,
  ReplicationRule,
} from '../replication/replication-rules.ts'
import { KEY_BYTES_MAX } from '../request.ts'
import { findChild, findText, knownChildren, parseXml, type XmlElement } from './parse-xml.ts'
import { parseTags, renderTags } from './tagging-documents.ts'
import { element, xmlDocument } from './write-xml.ts'

/** S3 API, PutBucketReplication. */
const RULES_MAX = 1000
const ID_CHARS_MAX = 255
const ROLE_CHARS_MAX = 2048
const KEY_ID_CHARS_MAX = 2048
const PRIORITY_MAX = 2_147_483_647
const BUCKET_ARN = /^arn:aws(-[a-z]+)*:s3:::[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/
const STORAGE_CLASSES: ReadonlySet<string> = new Set([
  ...['STANDARD', 'REDUCED_REDUNDANCY', 'STANDARD_IA', 'ONEZONE_IA', 'INTELLIGENT_TIERING', 'GLACIER'],
  ...['DEEP_ARCHIVE', 'GLACIER_IR', 'OUTPOSTS', 'SNOW', 'EXPRESS_ONEZONE', 'FSX_OPENZFS', 'FSX_ONTAP'],
])

/** S3 API, ReplicationTimeValue: the only one. */
const THRESHOLD_MINUTES = '15'
const ACCOUNT_ID = /^\d{12}$/

/** MalformedXML, InvalidArgument, InvalidRequest, InvalidTag. */
export function parseReplicationConfiguration(bytes: Uint8Array): ReplicationConfiguration {
  const root = parseXml(bytes, 'ReplicationConfiguration')
  knownChildren(root, ['Role', 'Rule'])
  const role = findText(root, 'Role')?.trim()
  if (role === undefined) throw s3Error('MalformedXML')
  if (role.length > ROLE_CHARS_MAX) throw invalid('Invalid role specified in the replication configuration')
  const elements = root.children.filter(({ name }) => name === 'Rule')
  if (elements.length === 0 || elements.length > RULES_MAX) throw s3Error('MalformedXML')
  const rules = elements.map(parseRule)
  assertUnique(rules, ({ id }) => id, 'Rule Id must be unique')
  assertUnique(
    rules.filter(({ filter }) => filter !== undefined),
    ({ priority }) => String(priority),
    'Found duplicate priority. Each rule must have a unique priority.',
  )
  return { role, rules }
}

function parseRule(rule: XmlElement): ReplicationRule {
  knownChildren(rule, [
    ...['ID', 'Priority', 'Status', 'Filter', 'Prefix', 'SourceSelectionCriteria', 'DeleteMarkerReplication'],
    ...['ExistingObjectReplication', 'Destination'],
  ])
  const filterElement = findChild(rule, 'Filter')
  const prefix = findText(rule, 'Prefix')
  if (filterElement !== undefined && prefix !== undefined) throw s3Error('MalformedXML')
  const filter = filterElement && parseFilter(filterElement)
  const existingObjects = statusIn(rule, 'ExistingObjectReplication')
  const criteria = parseCriteria(findChild(rule, 'SourceSelectionCriteria'))
  const { kmsObjects } = criteria
  const destination = parseDestination(findChild(rule, 'Destination'))
  if (filter === undefined && (destination.time !== undefined || destination.metrics !== undefined)) {
    throw s3Error('InvalidRequest', {
      message: 'ReplicationTime and Metrics need the version of the rule with a Filter.',
    })
  }
  if (kmsObjects === true && destination.replicaKmsKeyId === undefined) {
    throw s3Error('InvalidRequest', {
      message: 'ReplicaKmsKeyID must be specified if SseKmsEncryptedObjects tag is present.',
    })
  }
  return {
    id: parseId(findText(rule, 'ID')),
    priority: parsePriority(findText(rule, 'Priority'), filter),
    isEnabled: statusOf(findText(rule, 'Status')),
    ...(filter && { filter }),
    ...(filter === undefined && { prefix: checkedPrefix(prefix ?? '') }),
    deleteMarkers: parseDeleteMarkers(rule, filter),
    ...(existingObjects !== undefined && { existingObjects }),
    ...criteria,
    destination,
  }
}

function parseId(text: string | undefined): string {
  if (text === undefined || text === '') return randomUUID()
  if (text.length > ID_CHARS_MAX) throw invalid(`The length of the ID must be at most ${ID_CHARS_MAX}`)
  return text
}

function parsePriority(text: string | undefined, filter: ReplicationFilter | undefined): number {
  if (text === undefined) {
    if (filter === undefined) return 0
    throw s3Error('InvalidRequest', { message: 'Priority must be specified for this version of the configuration.' })
  }
  const priority = /^\s*\d{1,10}\s*$/.test(text) ? Number(text) : Number.NaN
  if (!(priority <= PRIORITY_MAX)) throw s3Error('MalformedXML')
  return priority
}

/** S3 API, ReplicationRuleFilter: nothing, one predicate, or two and more in an And. */
function parseFilter(filter: XmlElement): ReplicationFilter {
  const [only, another] = knownChildren(filter, ['Prefix', 'Tag', 'And'])
  if (another !== undefined) throw s3Error('MalformedXML')
  if (only?.name !== 'And') return parsePredicates(filter)
  if (knownChildren(only, ['Prefix', 'Tag']).length < 2) throw s3Error('MalformedXML')
  return parsePredicates(only)
}

function parsePredicates(parent: XmlElement): ReplicationFilter {
  const prefix = findText(parent, 'Prefix')
  const tags = parent.children.filter(({ name }) => name === 'Tag')
  if (new Set(tags.map((tag) => findText(tag, 'Key'))).size < tags.length) {
    throw s3Error('InvalidRequest', { message: 'Duplicate Tag Keys are not allowed.' })
  }
  return {
    ...(prefix !== undefined && { prefix: checkedPrefix(prefix) }),
    ...(tags.length > 0 && { tags: parseTags(tags, 'object') }),
  }
}

function checkedPrefix(prefix: string): string {
  if (Buffer.byteLength(prefix) > KEY_BYTES_MAX) throw invalid(`The maximum size of a prefix is ${KEY_BYTES_MAX}.`)
  return prefix
}

/** S3 User Guide, "Replicating delete markers": the older form does; the newer says so, and can't by tags. */
function parseDeleteMarkers(rule: XmlElement, filter: ReplicationFilter | undefined): boolean {
  const wanted = statusIn(rule, 'DeleteMarkerReplication')
  if (filter === undefined) return wanted ?? true
  if (wanted === undefined) {
    throw s3Error('InvalidRequest', {
      message: 'DeleteMarkerReplication must be specified for this version of the configuration.',
    })
  }
  if (wanted && filter.tags !== undefined) {
    throw s3Error('InvalidRequest', {
      message: 'Delete marker replication is not supported if any Tag filter is specified.',
    })
  }
  return wanted
}

/** Whether objects with SSE-KMS are replicated, and later changes of replicas go back. */
function parseCriteria(criteria: XmlElement | undefined): Pick<ReplicationRule, 'kmsObjects' | 'replicaModifications'> {
  if (criteria === undefined) return {}
  knownChildren(criteria, ['SseKmsEncryptedObjects', 'ReplicaModifications'])
  const replicaModifications = statusIn(criteria, 'ReplicaModifications')
  const kmsObjects = statusIn(criteria, 'SseKmsEncryptedObjects')
  return {
    ...(kmsObjects !== undefined && { kmsObjects }),
    ...(replicaModifications !== undefined && { replicaModifications }),
  }
}

function parseDestination(destination: XmlElement | undefined): ReplicationDestinationRule {
  if (destination === undefined) throw s3Error('MalformedXML')
  knownChildren(destination, [
    ...['Bucket', 'StorageClass', 'EncryptionConfiguration', 'Account', 'AccessControlTranslation'],
    ...['ReplicationTime', 'Metrics'],
  ])
  const bucket = findText(destination, 'Bucket')?.trim() ?? ''
  if (!BUCKET_ARN.test(bucket)) throw invalid('Invalid bucket ARN in the replication configuration.')
  const storageClass = findText(destination, 'StorageClass')
  if (storageClass !== undefined && !STORAGE_CLASSES.has(storageClass)) throw s3Error('MalformedXML')
  const encryption = findChild(destination, 'EncryptionConfiguration')
  if (encryption) knownChildren(encryption, ['ReplicaKmsKeyID'])
  const replicaKmsKeyId = encryption && findText(encryption, 'ReplicaKmsKeyID')
  if (encryption && !isKeyId(replicaKmsKeyId)) throw invalid('ReplicaKmsKeyID is not the id of a key.')
  return {
    bucket,
    ...(storageClass !== undefined && { storageClass }),
    ...(replicaKmsKeyId !== undefined && { replicaKmsKeyId }),
    ...parseOwner(destination),
    ...parseTime(destination),
  }
}

/** S3 API, AccessControlTranslation: only to the owner of the destination, who is named. */
function parseOwner(destination: XmlElement): Pick<ReplicationDestinationRule, 'account' | 'overridesOwner'> {
  const account = findText(destination, 'Account')?.trim()
  if (account !== undefined && !ACCOUNT_ID.test(account)) throw invalid('Account is not the id of an account.')
  const translation = findChild(destination, 'AccessControlTranslation')
  if (translation === undefined) return account === undefined ? {} : { account }
  knownChildren(translation, ['Owner'])
  if (findText(translation, 'Owner')?.trim() !== 'Destination') throw s3Error('MalformedXML')
  if (account !== undefined) return { account, overridesOwner: true }
  throw s3Error('InvalidRequest', { message: 'Account must be specified if AccessControlTranslation is present.' })
}

/** S3 API, ReplicationTime: "must be specified together with a Metrics block". */
function parseTime(destination: XmlElement): Pick<ReplicationDestinationRule, 'time' | 'metrics'> {
  const timeElement = findChild(destination, 'ReplicationTime')
  const metricsElement = findChild(destination, 'Metrics')
  const time = statusIn(destination, 'ReplicationTime')
  const metrics = statusIn(destination, 'Metrics')
  if (timeElement && !hasThreshold(timeElement, 'Time')) throw s3Error('MalformedXML')
  if (time && metrics !== true) {
    throw s3Error('InvalidRequest', { message: 'Metrics must be enabled if ReplicationTime is.' })
  }
  return {
    ...(time !== undefined && { time }),
    ...(metricsElement &&
      metrics !== undefined && {
        metrics: { isEnabled: metrics, hasThreshold: hasThreshold(metricsElement, 'EventThreshold') },
      }),
  }
}

function hasThreshold(parent: XmlElement, name: string): boolean {
  knownChildren(parent, ['Status', name])
  const threshold = findChild(parent, name)
  if (threshold === undefined) return false
  knownChildren(threshold, ['Minutes'])
  if (findText(threshold, 'Minutes')?.trim() !== THRESHOLD_MINUTES) {
    throw invalid(`${name} can only be ${THRESHOLD_MINUTES} minutes.`)
  }
  return true
}

/** It goes into a header. */
function isKeyId(text: string | undefined): boolean {
  return text !== undefined && text.length <= KEY_ID_CHARS_MAX && /^[\x21-\x7e]+$/.test(text)
}

function statusIn(parent: XmlElement, name: string): boolean | undefined {
  const child = findChild(parent, name)
  return child && statusOf(findText(child, 'Status'))
}

function statusOf(text: string | undefined): boolean {
  if (text !== 'Enabled' && text !== 'Disabled') throw s3Error('MalformedXML')
  return text === 'Enabled'
}

function assertUnique<Item>(items: readonly Item[], nameOf: (item: Item) => string, message: string): void {
  if (new Set(items.map(nameOf)).size < items.length) throw s3Error('InvalidRequest', { message })
}

/** GetBucketReplication. */
export function renderReplicationConfiguration({ role, rules }: ReplicationConfiguration): string {
  return xmlDocument('ReplicationConfiguration', element('Role', role) + rules.map(renderRule).join(''))
}

function renderRule(rule: ReplicationRule): string {
  const { id, priority, isEnabled, filter, prefix, deleteMarkers, existingObjects, destination } = rule
  const criteria =
    renderStatus('SseKmsEncryptedObjects', rule.kmsObjects) +
    renderStatus('ReplicaModifications', rule.replicaModifications)
  const content =
    element('ID', id) +
    (filter === undefined ? '' : element('Priority', priority)) +
    (filter === undefined ? element('Prefix', prefix) : renderFilter(filter)) +
    element('Status', isEnabled ? 'Enabled' : 'Disabled') +
    (criteria && `<SourceSelectionCriteria>${criteria}</SourceSelectionCriteria>`) +
    renderStatus('ExistingObjectReplication', existingObjects) +
    (filter === undefined ? '' : renderStatus('DeleteMarkerReplication', deleteMarkers)) +
    renderDestination(destination)
  return `<Rule>${content}</Rule>`
}

function renderDestination(destination: ReplicationDestinationRule): string {
  const { bucket, storageClass, replicaKmsKeyId, account, overridesOwner, time, metrics } = destination
  const minutes = element('Minutes', THRESHOLD_MINUTES)
  const content =
    element('Bucket', bucket) +
    element('Account', account) +
    element('StorageClass', storageClass) +
    (overridesOwner ? `<AccessControlTranslation>${element('Owner', 'Destination')}</AccessControlTranslation>` : '') +
    (replicaKmsKeyId === undefined
      ? ''
      : `<EncryptionConfiguration>${element('ReplicaKmsKeyID', replicaKmsKeyId)}</EncryptionConfiguration>`) +
    renderStatus('ReplicationTime', time, `<Time>${minutes}</Time>`) +
    renderStatus(
      'Metrics',
      metrics?.isEnabled,
      metrics?.hasThreshold ? `<EventThreshold>${minutes}</EventThreshold>` : '',
    )
  return `<Destination>${content}</Destination>`
}

function renderFilter({ prefix, tags = {} }: ReplicationFilter): string {
  const predicates = [
    ...(prefix === undefined ? [] : [element('Prefix', prefix)]),
    ...Object.entries(tags).map(([key, value]) => renderTags({ [key]: value })),
  ]
  const content = predicates.join('')
  return `<Filter>${predicates.length > 1 ? `<And>${content}</And>` : content}</Filter>`
}

function renderStatus(name: string, value: boolean | undefined, more = ''): string {
  return value === undefined ? '' : `<${name}>${element('Status', value ? 'Enabled' : 'Disabled')}${more}</${name}>`
}

function invalid(message: string) {
  return s3Error('InvalidArgument', { message })
}
