import { randomUUID } from 'node:crypto'
import { s3Error } from '../errors.ts'
import type { LifecycleConfiguration, LifecycleExpiration, LifecycleRule } from '../lifecycle/lifecycle-rules.ts'
import { parseLifecycleFilter, parsePrefix } from './lifecycle-filter.ts'
import { assertTransitionsFit, parseTransitions } from './lifecycle-transitions.ts'
import { parseMidnight, parsePositive } from './lifecycle-values.ts'
import { findBoolean, findChild, findText, knownChildren, parseXml, type XmlElement } from './parse-xml.ts'

/** S3 API, PutBucketLifecycleConfiguration. */
const RULES_MAX = 1000
const ID_CHARS_MAX = 255
const NEWER_VERSIONS_MAX = 100
const ACTIONS = ['Expiration', 'NoncurrentVersionExpiration', 'AbortIncompleteMultipartUpload'] as const
const TRANSITIONS = ['Transition', 'NoncurrentVersionTransition']
const ANY_ACTION: ReadonlySet<string> = new Set([...ACTIONS, ...TRANSITIONS])

/** MalformedXML, InvalidArgument, InvalidRequest, InvalidTag, InvalidStorageClass. */
export function parseLifecycleConfiguration(bytes: Uint8Array): LifecycleConfiguration {
  const elements = knownChildren(parseXml(bytes, 'LifecycleConfiguration'), ['Rule'])
  if (elements.length === 0 || elements.length > RULES_MAX) throw s3Error('MalformedXML')
  const rules = elements.map(parseRule)
  if (new Set(rules.map(({ id }) => id)).size < rules.length) {
    throw invalid('Rule ID must be unique. Found same ID for more than one rule')
  }
  return { rules }
}

function parseRule(rule: XmlElement): LifecycleRule {
  knownChildren(rule, ['ID', 'Status', 'Filter', 'Prefix', ...ACTIONS, ...TRANSITIONS])
  const filter = findChild(rule, 'Filter')
  const prefix = findText(rule, 'Prefix')
  if ((filter === undefined) === (prefix === undefined)) throw s3Error('MalformedXML')
  const parsed: LifecycleRule = {
    id: parseId(findText(rule, 'ID')),
    isEnabled: parseStatus(findText(rule, 'Status')),
    ...(filter && { filter: parseLifecycleFilter(filter) }),
    ...(prefix !== undefined && { prefix: parsePrefix(prefix) }),
    ...parseActions(rule),
  }
  assertFits(parsed)
  assertTransitionsFit(parsed)
  return parsed
}

function parseId(text: string | undefined): string {
  if (text === undefined || text === '') return randomUUID()
  if (text.length > ID_CHARS_MAX) throw invalid(`ID length should not exceed allowed limit of ${ID_CHARS_MAX}`)
  return text
}

function parseStatus(text: string | undefined): boolean {
  if (text !== 'Enabled' && text !== 'Disabled') throw s3Error('MalformedXML')
  return text === 'Enabled'
}

function parseActions(rule: XmlElement): Omit<LifecycleRule, 'id' | 'isEnabled' | 'filter' | 'prefix'> {
  const [expiration, noncurrent, abort] = ACTIONS.map((name) => findChild(rule, name))
  if (!rule.children.some(({ name }) => ANY_ACTION.has(name))) {
    throw s3Error('InvalidRequest', { message: 'At least one action needs to be specified in a rule' })
  }
  return {
    ...parseTransitions(rule),
    ...(expiration && { expiration: parseExpiration(expiration) }),
    ...(noncurrent && { noncurrentVersionExpiration: parseNoncurrentVersionExpiration(noncurrent) }),
    ...(abort && { abortIncompleteMultipartUpload: parseAbort(abort) }),
  }
}

function parseExpiration(expiration: XmlElement): LifecycleExpiration {
  const [only, another] = knownChildren(expiration, ['Days', 'Date', 'ExpiredObjectDeleteMarker'])
  if (only === undefined || another !== undefined) throw s3Error('MalformedXML')
  if (only.name === 'Days') return { days: parsePositive(only.text, "'Days' for Expiration action") }
  if (only.name === 'Date') return { dateAt: parseMidnight(only.text.trim()) }
  return { expiredObjectDeleteMarker: findBoolean(expiration, 'ExpiredObjectDeleteMarker') ?? false }
}

function parseNoncurrentVersionExpiration(element: XmlElement) {
  knownChildren(element, ['NoncurrentDays', 'NewerNoncurrentVersions'])
  const days = findText(element, 'NoncurrentDays')
  const newer = findText(element, 'NewerNoncurrentVersions')
  if (days === undefined) throw s3Error('MalformedXML')
  const noncurrentDays = parsePositive(days, "'NoncurrentDays' for NoncurrentVersionExpiration action")
  if (newer === undefined) return { noncurrentDays }
  const name = "'NewerNoncurrentVersions' for NoncurrentVersionExpiration action"
  const newerNoncurrentVersions = parsePositive(newer, name)
  if (newerNoncurrentVersions > NEWER_VERSIONS_MAX) throw invalid(`${name} must be at most ${NEWER_VERSIONS_MAX}`)
  return { noncurrentDays, newerNoncurrentVersions }
}

function parseAbort(element: XmlElement) {
  knownChildren(element, ['DaysAfterInitiation'])
  const days = findText(element, 'DaysAfterInitiation')
  if (days === undefined) throw s3Error('MalformedXML')
  const name = "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action"
  return { daysAfterInitiation: parsePositive(days, name) }
}

/** What a rule can't ask for together (S3 API, LifecycleRule). */
function assertFits({
  filter,
  expiration,
  noncurrentVersionExpiration,
  abortIncompleteMultipartUpload,
  noncurrentVersionTransitions = [],
}: LifecycleRule) {
  const { tags, sizeBytesGreaterThan, sizeBytesLessThan } = filter ?? {}
  const asksSize = sizeBytesGreaterThan !== undefined || sizeBytesLessThan !== undefined
  const asks = tags !== undefined ? 'Tags' : asksSize ? 'object size' : undefined
  if (asks !== undefined && abortIncompleteMultipartUpload !== undefined) {
    throw s3Error('InvalidRequest', {
      message: `AbortIncompleteMultipartUpload cannot be specified with ${asks}.`,
    })
  }
  if (asks !== undefined && expiration !== undefined && 'expiredObjectDeleteMarker' in expiration) {
    throw s3Error('InvalidRequest', { message: `ExpiredObjectDeleteMarker cannot be specified with ${asks}.` })
  }
  const keepsNewer = [noncurrentVersionExpiration, ...noncurrentVersionTransitions].some(
    (action) => action?.newerNoncurrentVersions !== undefined,
  )
  if (filter === undefined && keepsNewer) {
    throw s3Error('InvalidRequest', { message: 'NewerNoncurrentVersions needs a rule with a Filter.' })
  }
}

function invalid(message: string) {
  return s3Error('InvalidArgument', { message })
}
