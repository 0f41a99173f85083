import { s3Error } from '../errors.ts'
import { findChild, findText, knownChildren, parseXml, type XmlElement } from './parse-xml.ts'
import { element, xmlDocument } from './write-xml.ts'

/** S3 API, LoggingEnabled: where a bucket's access logs go. */
export interface BucketLogging {
  readonly targetBucket: string
  readonly targetPrefix: string
  /** Absent: names begin with the prefix and the time of delivery alone. */
  readonly partitionedBy?: 'EventTime' | 'DeliveryTime'
  /** That was said; AWS shows it only then, and Terraform finds no end of differences where it is shown unsaid. */
  readonly simplePrefix?: true
}

/** S3 API, PutBucketLogging; with room below the longest key for what is added to it. */
const PREFIX_BYTES_MAX = 800
const FORMATS = ['SimplePrefix', 'PartitionedPrefix']
const DATE_SOURCES = ['EventTime', 'DeliveryTime'] as const

/** PutBucketLogging; undefined: no logs. Target grants are read over: log objects are the target bucket owner's. MalformedXML. */
export function parseBucketLogging(bytes: Uint8Array): BucketLogging | undefined {
  const root = parseXml(bytes, 'BucketLoggingStatus')
  knownChildren(root, ['LoggingEnabled'])
  const enabled = findChild(root, 'LoggingEnabled')
  if (enabled === undefined) return undefined
  knownChildren(enabled, ['TargetBucket', 'TargetPrefix', 'TargetGrants', 'TargetObjectKeyFormat'])
  const targetBucket = findText(enabled, 'TargetBucket')
  const targetPrefix = findText(enabled, 'TargetPrefix') ?? ''
  if (!targetBucket || Buffer.byteLength(targetPrefix) > PREFIX_BYTES_MAX) throw s3Error('MalformedXML')
  return { targetBucket, targetPrefix, ...parseKeyFormat(findChild(enabled, 'TargetObjectKeyFormat')) }
}

function parseKeyFormat(format: XmlElement | undefined): Pick<BucketLogging, 'partitionedBy' | 'simplePrefix'> {
  if (format === undefined) return {}
  const [chosen, ...others] = knownChildren(format, FORMATS)
  if (chosen === undefined || others.length > 0) throw s3Error('MalformedXML')
  if (chosen.name === 'SimplePrefix') return { simplePrefix: true }
  const said = findText(chosen, 'PartitionDateSource')
  const source = DATE_SOURCES.find((known) => known === said)
  if (source === undefined) throw s3Error('MalformedXML')
  return { partitionedBy: source }
}

/** GetBucketLogging. */
export function renderBucketLogging(logging: BucketLogging | undefined): string {
  if (logging === undefined) return xmlDocument('BucketLoggingStatus', '')
  const { targetBucket, targetPrefix } = logging
  const content =
    element('TargetBucket', targetBucket) + element('TargetPrefix', targetPrefix) + renderKeyFormat(logging)
  return xmlDocument('BucketLoggingStatus', `<LoggingEnabled>${content}</LoggingEnabled>`)
}

function renderKeyFormat({ partitionedBy, simplePrefix }: BucketLogging): string {
  if (partitionedBy === undefined && !simplePrefix) return ''
  const format = partitionedBy
    ? `<PartitionedPrefix>${element('PartitionDateSource', partitionedBy)}</PartitionedPrefix>`
    : '<SimplePrefix></SimplePrefix>'
  return `<TargetObjectKeyFormat>${format}</TargetObjectKeyFormat>`
}
