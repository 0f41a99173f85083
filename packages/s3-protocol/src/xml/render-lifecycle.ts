import { iso8601 } from '../dates.ts'
import type {
  LifecycleConfiguration,
  LifecycleExpiration,
  LifecycleFilter,
  LifecycleRule,
  LifecycleTransition,
  NoncurrentVersionTransition,
} from '../lifecycle/lifecycle-rules.ts'
import { renderTags } from './tagging-documents.ts'
import { element, xmlDocument } from './write-xml.ts'

/** GetBucketLifecycleConfiguration. */
export function renderLifecycleConfiguration({ rules }: LifecycleConfiguration): string {
  return xmlDocument('LifecycleConfiguration', rules.map(renderRule).join(''))
}

function renderRule(rule: LifecycleRule): string {
  const { id, isEnabled, filter, prefix, expiration, noncurrentVersionExpiration, abortIncompleteMultipartUpload } =
    rule
  const { transitions = [], noncurrentVersionTransitions = [] } = rule
  const content =
    element('ID', id) +
    (filter === undefined ? element('Prefix', prefix) : renderFilter(filter)) +
    element('Status', isEnabled ? 'Enabled' : 'Disabled') +
    (expiration === undefined ? '' : renderExpiration(expiration)) +
    transitions.map(renderTransition).join('') +
    noncurrentVersionTransitions.map(renderNoncurrentTransition).join('') +
    parent('NoncurrentVersionExpiration', [
      element('NoncurrentDays', noncurrentVersionExpiration?.noncurrentDays),
      element('NewerNoncurrentVersions', noncurrentVersionExpiration?.newerNoncurrentVersions),
    ]) +
    parent('AbortIncompleteMultipartUpload', [
      element('DaysAfterInitiation', abortIncompleteMultipartUpload?.daysAfterInitiation),
    ])
  return `<Rule>${content}</Rule>`
}

function renderTransition(transition: LifecycleTransition): string {
  return parent('Transition', [
    'days' in transition ? element('Days', transition.days) : element('Date', iso8601(transition.dateAt)),
    element('StorageClass', transition.storageClass),
  ])
}

function renderNoncurrentTransition(transition: NoncurrentVersionTransition): string {
  return parent('NoncurrentVersionTransition', [
    element('NoncurrentDays', transition.noncurrentDays),
    element('NewerNoncurrentVersions', transition.newerNoncurrentVersions),
    element('StorageClass', transition.storageClass),
  ])
}

function renderFilter({ prefix, tags = {}, sizeBytesGreaterThan, sizeBytesLessThan }: LifecycleFilter): string {
  const predicates = [
    element('Prefix', prefix),
    ...Object.entries(tags).map(([key, value]) => renderTags({ [key]: value })),
    element('ObjectSizeGreaterThan', sizeBytesGreaterThan),
    element('ObjectSizeLessThan', sizeBytesLessThan),
  ].filter((predicate) => predicate !== '')
  const content = predicates.join('')
  return `<Filter>${predicates.length > 1 ? `<And>${content}</And>` : content}</Filter>`
}

function renderExpiration(expiration: LifecycleExpiration): string {
  if ('days' in expiration) return `<Expiration>${element('Days', expiration.days)}</Expiration>`
  if ('dateAt' in expiration) return `<Expiration>${element('Date', iso8601(expiration.dateAt))}</Expiration>`
  const marker = element('ExpiredObjectDeleteMarker', expiration.expiredObjectDeleteMarker)
  return `<Expiration>${marker}</Expiration>`
}

/** Nothing, where none of its content is there. */
function parent(name: string, content: readonly string[]): string {
  const text = content.join('')
  return text === '' ? '' : `<${name}>${text}</${name}>`
}
