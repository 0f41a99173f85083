import { s3Error } from '../errors.ts'
import {
  assertInFuture,
  type DefaultRetention,
  isRetentionMode,
  type LegalHold,
  noEventHold,
  type ObjectLockConfiguration,
  parseRetainUntil,
  type Retention,
  type RetentionMode,
} from '../object-lock.ts'
import { findChild, findText, knownChildren, parseXml, type XmlElement } from './parse-xml.ts'
import { element, xmlDocument } from './write-xml.ts'

/** S3 API, DefaultRetention: about a hundred years. */
const RETENTION_DAYS_MAX = 36_500
const RETENTION_YEARS_MAX = 100

/** PutObjectLockConfiguration. MalformedXML, InvalidArgument; NotImplemented for an event hold. */
export function parseObjectLockConfiguration(bytes: Uint8Array): ObjectLockConfiguration {
  const root = parseXml(bytes, 'ObjectLockConfiguration')
  knownChildren(root, ['ObjectLockEnabled', 'Rule'])
  if (findText(root, 'ObjectLockEnabled')?.trim() !== 'Enabled') throw s3Error('MalformedXML')
  const rule = findChild(root, 'Rule')
  if (rule === undefined) return {}
  knownChildren(rule, ['DefaultRetention'])
  const byDefault = findChild(rule, 'DefaultRetention')
  if (byDefault === undefined) throw s3Error('MalformedXML')
  return { defaultRetention: parseDefaultRetention(byDefault) }
}

function parseDefaultRetention(byDefault: XmlElement): DefaultRetention {
  if (findChild(byDefault, 'DefaultEventHold') !== undefined) throw noEventHold()
  knownChildren(byDefault, ['Mode', 'Days', 'Years'])
  const mode = parseMode(byDefault)
  const days = findText(byDefault, 'Days')
  const years = findText(byDefault, 'Years')
  if ((days === undefined) === (years === undefined)) throw s3Error('MalformedXML')
  return days === undefined
    ? { mode, years: parsePeriod(years ?? '', RETENTION_YEARS_MAX) }
    : { mode, days: parsePeriod(days, RETENTION_DAYS_MAX) }
}

function parsePeriod(text: string, max: number): number {
  if (!/^\s*[+-]?\d{1,18}\s*$/.test(text)) throw s3Error('MalformedXML')
  const period = Number(text)
  if (period < 1) {
    throw s3Error('InvalidArgument', { message: 'Default retention period must be a positive integer value.' })
  }
  if (period > max) throw s3Error('InvalidArgument', { message: 'Default retention period is too large.' })
  return period
}

function parseMode(parent: XmlElement): RetentionMode {
  const mode = findText(parent, 'Mode')?.trim()
  if (!isRetentionMode(mode)) throw s3Error('MalformedXML')
  return mode
}

/**
 * PutObjectRetention; undefined: an empty document, which takes the retention away. MalformedXML, InvalidArgument; NotImplemented for
 * an event hold.
 */
export function parseRetention(bytes: Uint8Array, nowMs: number): Retention | undefined {
  const root = parseXml(bytes, 'Retention')
  if (findChild(root, 'EventHold') ?? findChild(root, 'EventHoldDuration')) throw noEventHold()
  knownChildren(root, ['Mode', 'RetainUntilDate'])
  if (root.children.length === 0) return undefined
  const mode = parseMode(root)
  const text = findText(root, 'RetainUntilDate')?.trim() ?? ''
  const retainUntilAt = parseRetainUntil(text)
  if (retainUntilAt === undefined) throw s3Error('MalformedXML')
  assertInFuture(retainUntilAt, text, nowMs)
  return { mode, retainUntilAt }
}

/** PutObjectLegalHold. MalformedXML. */
export function parseLegalHold(bytes: Uint8Array): LegalHold {
  const root = parseXml(bytes, 'LegalHold')
  knownChildren(root, ['Status'])
  const status = findText(root, 'Status')?.trim()
  if (status !== 'ON' && status !== 'OFF') throw s3Error('MalformedXML')
  return status
}

export function renderObjectLockConfiguration({ defaultRetention }: ObjectLockConfiguration): string {
  const period =
    defaultRetention &&
    ('days' in defaultRetention ? element('Days', defaultRetention.days) : element('Years', defaultRetention.years))
  const rule =
    defaultRetention &&
    `<Rule><DefaultRetention>${element('Mode', defaultRetention.mode)}${period}</DefaultRetention></Rule>`
  return xmlDocument('ObjectLockConfiguration', element('ObjectLockEnabled', 'Enabled') + (rule ?? ''))
}

export function renderRetention({ mode, retainUntilAt }: Retention): string {
  const until = new Date(retainUntilAt).toISOString()
  return xmlDocument('Retention', element('Mode', mode) + element('RetainUntilDate', until))
}

export function renderLegalHold(legalHold: LegalHold): string {
  return xmlDocument('LegalHold', element('Status', legalHold))
}
