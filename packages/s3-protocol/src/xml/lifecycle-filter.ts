import { s3Error } from '../errors.ts'
import type { LifecycleFilter } from '../lifecycle/lifecycle-rules.ts'
import { KEY_BYTES_MAX } from '../request.ts'
import { findText, knownChildren, type XmlElement } from './parse-xml.ts'
import { parseTags } from './tagging-documents.ts'

const PREDICATES = ['Prefix', 'Tag', 'ObjectSizeGreaterThan', 'ObjectSizeLessThan']
/** S3 User Guide, "Amazon S3 objects overview": 50 TB; a limit beyond it is no mistake, but numbers must be exact. */
const SIZE_BYTES_MAX = Number.MAX_SAFE_INTEGER

/** S3 API, LifecycleRuleFilter: nothing, one predicate, or two and more in an And. MalformedXML, InvalidRequest, InvalidTag. */
export function parseLifecycleFilter(filter: XmlElement): LifecycleFilter {
  const [only, another] = knownChildren(filter, [...PREDICATES, 'And'])
  if (another !== undefined) throw s3Error('MalformedXML')
  if (only?.name !== 'And') return parsePredicates(filter)
  if (knownChildren(only, PREDICATES).length < 2) throw s3Error('MalformedXML')
  return parsePredicates(only)
}

function parsePredicates(parent: XmlElement): LifecycleFilter {
  const prefix = findText(parent, 'Prefix')
  const tags = parent.children.filter(({ name }) => name === 'Tag')
  const sizeBytesGreaterThan = parseSize(findText(parent, 'ObjectSizeGreaterThan'))
  const sizeBytesLessThan = parseSize(findText(parent, 'ObjectSizeLessThan'))
  if ((sizeBytesLessThan ?? Number.POSITIVE_INFINITY) <= (sizeBytesGreaterThan ?? -1)) {
    throw s3Error('InvalidRequest', { message: "'ObjectSizeLessThan' should be greater than 'ObjectSizeGreaterThan'" })
  }
  return {
    ...(prefix !== undefined && { prefix: parsePrefix(prefix) }),
    ...(tags.length > 0 && { tags: parseFilterTags(tags) }),
    ...(sizeBytesGreaterThan !== undefined && { sizeBytesGreaterThan }),
    ...(sizeBytesLessThan !== undefined && { sizeBytesLessThan }),
  }
}

function parseFilterTags(tags: readonly XmlElement[]) {
  if (new Set(tags.map((tag) => findText(tag, 'Key'))).size < tags.length) {
    throw s3Error('InvalidRequest', { message: 'Duplicate Tag Keys are not allowed.' })
  }
  return parseTags(tags, 'object')
}

export function parsePrefix(prefix: string): string {
  if (Buffer.byteLength(prefix) > KEY_BYTES_MAX) {
    throw s3Error('InvalidRequest', { message: `The maximum size of a prefix is ${KEY_BYTES_MAX}.` })
  }
  return prefix
}

function parseSize(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const size = /^\s*\d{1,16}\s*$/.test(text) ? Number(text) : Number.NaN
  if (!(size <= SIZE_BYTES_MAX)) throw s3Error('MalformedXML')
  return size
}
