import { s3Error } from '../errors.ts'
import { findBoolean, knownChildren, parseXml } from './parse-xml.ts'
import { element, xmlDocument } from './write-xml.ts'

/** S3 API, PublicAccessBlockConfiguration: what of public access a bucket refuses, whatever its policy and ACLs say. */
export interface PublicAccessBlock {
  readonly blockPublicAcls: boolean
  readonly ignorePublicAcls: boolean
  readonly blockPublicPolicy: boolean
  readonly restrictPublicBuckets: boolean
}

const ELEMENTS = {
  BlockPublicAcls: 'blockPublicAcls',
  IgnorePublicAcls: 'ignorePublicAcls',
  BlockPublicPolicy: 'blockPublicPolicy',
  RestrictPublicBuckets: 'restrictPublicBuckets',
} as const

/** PutPublicAccessBlock: what is not said is off. MalformedXML. */
export function parsePublicAccessBlock(bytes: Uint8Array): PublicAccessBlock {
  const root = parseXml(bytes, 'PublicAccessBlockConfiguration')
  const names = Object.keys(ELEMENTS)
  if (knownChildren(root, names).length > names.length) throw s3Error('MalformedXML')
  const said = (name: keyof typeof ELEMENTS) => findBoolean(root, name) ?? false
  return {
    blockPublicAcls: said('BlockPublicAcls'),
    ignorePublicAcls: said('IgnorePublicAcls'),
    blockPublicPolicy: said('BlockPublicPolicy'),
    restrictPublicBuckets: said('RestrictPublicBuckets'),
  }
}

export function renderPublicAccessBlock(block: PublicAccessBlock): string {
  const content = Object.entries(ELEMENTS).map(([name, field]) => element(name, String(block[field])))
  return xmlDocument('PublicAccessBlockConfiguration', content.join(''))
}

/** GetBucketPolicyStatus. */
export function renderPolicyStatus(isPublic: boolean): string {
  return xmlDocument('PolicyStatus', element('IsPublic', String(isPublic)))
}
