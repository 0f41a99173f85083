import { s3Error } from '../errors.ts'
import { assertTag, assertTagCount, type TaggedKind, type Tags } from '../object-tags.ts'
import { findChild, findText, knownChildren, parseXml, type XmlElement } from './parse-xml.ts'
import { controlDocument, element, xmlDocument } from './write-xml.ts'

/** PutObjectTagging, PutBucketTagging. A document without a set has no tags, as with AWS. MalformedXML, InvalidTag, BadRequest. */
export function parseTaggingDocument(bytes: Uint8Array, kind: TaggedKind): Tags {
  const root = parseXml(bytes, 'Tagging')
  knownChildren(root, ['TagSet'])
  const tagSet = findChild(root, 'TagSet')
  return tagSet === undefined ? {} : parseTags(knownChildren(tagSet, ['Tag']), kind)
}

/** S3 Control API, TagResource. MalformedXML, InvalidTag, BadRequest. */
export function parseTagResource(bytes: Uint8Array): Tags {
  const root = parseXml(bytes, 'TagResourceRequest')
  knownChildren(root, ['Tags'])
  const tags = findChild(root, 'Tags')
  if (tags === undefined) throw s3Error('MalformedXML')
  return parseTags(knownChildren(tags, ['Tag']), 'bucket')
}

/** Elements of S3's type Tag. MalformedXML; InvalidTag for a key given twice; BadRequest. */
export function parseTags(elements: readonly XmlElement[], kind: TaggedKind): Tags {
  assertTagCount(elements.length, kind)
  const tags = new Map<string, string>()
  for (const tag of elements) {
    const { key, value } = parseTag(tag)
    if (tags.has(key)) {
      throw s3Error('InvalidTag', {
        message: 'Cannot provide multiple Tags with the same key',
        details: { TagKey: key },
      })
    }
    tags.set(key, value)
  }
  // As own properties, whatever their names: `__proto__` is one like any other.
  return Object.fromEntries(tags)
}

function parseTag(tag: XmlElement): { key: string; value: string } {
  knownChildren(tag, ['Key', 'Value'])
  const key = findText(tag, 'Key')
  const value = findText(tag, 'Value')
  if (key === undefined || value === undefined) throw s3Error('MalformedXML')
  assertTag(key, value)
  return { key, value }
}

/** GetObjectTagging, GetBucketTagging. */
export function renderTagging(tags: Tags): string {
  return xmlDocument('Tagging', `<TagSet>${renderTags(tags)}</TagSet>`)
}

/** S3 Control API, ListTagsForResource. */
export function renderTagsOfResource(tags: Tags): string {
  return controlDocument('ListTagsForResourceResult', `<Tags>${renderTags(tags)}</Tags>`)
}

/** S3's type Tag, each, by key: S3 promises no order, and so it is one. */
export function renderTags(tags: Tags): string {
  return Object.entries(tags)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `<Tag>${element('Key', key)}${element('Value', value)}</Tag>`)
    .join('')
}
