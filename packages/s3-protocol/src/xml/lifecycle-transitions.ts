import { s3Error } from '../errors.ts'
import type { LifecycleRule, LifecycleTransition, NoncurrentVersionTransition } from '../lifecycle/lifecycle-rules.ts'
import { depthOf } from '../lifecycle/transitions.ts'
import { invalidStorageClass, isStorageClass, type StorageClass } from '../storage-class.ts'
import { parseCount, parseMidnight, parsePositive } from './lifecycle-values.ts'
import { findText, knownChildren, type XmlElement } from './parse-xml.ts'

/** S3 API, TransitionStorageClass: those that objects can't be read from at once are not to be had. */
const NOT_TO_BE_HAD: ReadonlySet<string> = new Set(['GLACIER', 'DEEP_ARCHIVE'])
/** S3 User Guide, "Constraints and considerations for transitions". */
const INFREQUENT: ReadonlySet<StorageClass> = new Set(['STANDARD_IA', 'ONEZONE_IA'])
const INFREQUENT_DAYS_MIN = 30
const NEWER_VERSIONS_MAX = 100

/** MalformedXML, InvalidArgument, InvalidRequest, InvalidStorageClass. */
export function parseTransitions(
  rule: XmlElement,
): Pick<LifecycleRule, 'transitions' | 'noncurrentVersionTransitions'> {
  const named = (wanted: string) => rule.children.filter(({ name }) => name === wanted)
  const transitions = named('Transition').map(parseTransition)
  const noncurrent = named('NoncurrentVersionTransition').map(parseNoncurrent)
  assertClassesDiffer('Transition', transitions)
  assertClassesDiffer('NoncurrentVersionTransition', noncurrent)
  return {
    ...(transitions.length > 0 && { transitions }),
    ...(noncurrent.length > 0 && { noncurrentVersionTransitions: noncurrent }),
  }
}

/** What a rule can't ask for together (S3 User Guide, "Lifecycle configuration elements"). InvalidArgument, InvalidRequest. */
export function assertTransitionsFit(rule: LifecycleRule): void {
  const { transitions = [], expiration, noncurrentVersionTransitions = [], noncurrentVersionExpiration } = rule
  const dated = [...transitions, ...(expiration && !('expiredObjectDeleteMarker' in expiration) ? [expiration] : [])]
  if (dated.some((one) => 'days' in one) && dated.some((one) => 'dateAt' in one)) {
    throw s3Error('InvalidRequest', {
      message: "Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule",
    })
  }
  const ages = transitions.map((one) => ({
    storageClass: one.storageClass,
    age: 'days' in one ? one.days : one.dateAt,
  }))
  const unit = transitions.some((one) => 'dateAt' in one) ? 'Date' : 'Days'
  assertOrder(`'${unit}' in the Transition action`, ages, unit === 'Days' ? INFREQUENT_DAYS_MIN : 1)
  const end = expiration && ('days' in expiration ? expiration.days : 'dateAt' in expiration && expiration.dateAt)
  if (typeof end === 'number' && ages.some(({ age }) => age >= end)) {
    throw invalid(`'${unit}' in the Expiration action must be greater than '${unit}' in the Transition action`)
  }
  const noncurrent = noncurrentVersionTransitions.map((one) => ({ ...one, age: one.noncurrentDays }))
  assertOrder("'NoncurrentDays' in the NoncurrentVersionTransition action", noncurrent, INFREQUENT_DAYS_MIN)
  const last = noncurrentVersionExpiration?.noncurrentDays
  if (last !== undefined && noncurrent.some(({ age }) => age >= last)) {
    throw invalid(
      "'NoncurrentDays' in the NoncurrentVersionExpiration action must be greater than 'NoncurrentDays' in the NoncurrentVersionTransition action",
    )
  }
}

function parseTransition(element: XmlElement): LifecycleTransition {
  knownChildren(element, ['Days', 'Date', 'StorageClass'])
  const [days, date] = [findText(element, 'Days'), findText(element, 'Date')]
  if ((days === undefined) === (date === undefined)) throw s3Error('MalformedXML')
  if (date !== undefined) return { dateAt: parseMidnight(date.trim()), storageClass: classOf(element) }
  const count = parseCount(days ?? '', "'Days' in Transition action")
  const storageClass = classOf(element)
  assertOldEnough('Days', 'Transition', count, storageClass)
  return { days: count, storageClass }
}

function parseNoncurrent(element: XmlElement): NoncurrentVersionTransition {
  knownChildren(element, ['NoncurrentDays', 'NewerNoncurrentVersions', 'StorageClass'])
  const days = findText(element, 'NoncurrentDays')
  const newer = findText(element, 'NewerNoncurrentVersions')
  if (days === undefined) throw s3Error('MalformedXML')
  const noncurrentDays = parseCount(days, "'NoncurrentDays' in NoncurrentVersionTransition action")
  const storageClass = classOf(element)
  assertOldEnough('NoncurrentDays', 'NoncurrentVersionTransition', noncurrentDays, storageClass)
  if (newer === undefined) return { noncurrentDays, storageClass }
  const name = "'NewerNoncurrentVersions' for NoncurrentVersionTransition action"
  const newerNoncurrentVersions = parsePositive(newer, name)
  if (newerNoncurrentVersions > NEWER_VERSIONS_MAX) throw invalid(`${name} must be at most ${NEWER_VERSIONS_MAX}`)
  return { noncurrentDays, newerNoncurrentVersions, storageClass }
}

function classOf(element: XmlElement): StorageClass {
  const text = findText(element, 'StorageClass') ?? ''
  if (NOT_TO_BE_HAD.has(text)) throw invalidStorageClass(text)
  if (!isStorageClass(text) || depthOf(text) === 0) throw s3Error('MalformedXML')
  return text
}

function assertOldEnough(unit: string, action: string, days: number, storageClass: StorageClass): void {
  if (!INFREQUENT.has(storageClass) || days >= INFREQUENT_DAYS_MIN) return
  throw invalid(
    `'${unit}' in ${action} action must be greater than or equal to ${INFREQUENT_DAYS_MIN} for storageClass '${storageClass}'`,
  )
}

function assertClassesDiffer(action: string, actions: readonly { readonly storageClass: StorageClass }[]): void {
  if (new Set(actions.map(({ storageClass }) => storageClass)).size === actions.length) return
  throw s3Error('InvalidRequest', {
    message: `'StorageClass' must be different for '${action}' actions in same 'Rule'`,
  })
}

/** The further down, the later; from an infrequent access class on a month at least. */
function assertOrder(
  what: string,
  actions: readonly { readonly storageClass: StorageClass; readonly age: number }[],
  monthAfterInfrequent: number,
): void {
  const down = [...actions].sort((a, b) => depthOf(a.storageClass) - depthOf(b.storageClass))
  for (const [index, { storageClass, age }] of down.entries()) {
    const before = down[index - 1]
    if (before === undefined) continue
    const least = INFREQUENT.has(before.storageClass) ? monthAfterInfrequent : 1
    if (age >= before.age + least) continue
    const by = least === 1 ? 'more than' : `${least} days more than`
    throw invalid(
      `${what} for StorageClass '${storageClass}' must be ${by} that for StorageClass '${before.storageClass}'`,
    )
  }
}

function invalid(message: string): Error {
  return s3Error('InvalidArgument', { message })
}
