import { invalidArgument, s3Error } from '../errors.ts'
import { findBoolean, findText, knownChildren, parseXml } from './parse-xml.ts'
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

const OWNERSHIPS = ['BucketOwnerEnforced', 'BucketOwnerPreferred', 'ObjectWriter'] as const
export type ObjectOwnership = (typeof OWNERSHIPS)[number]

/** The value of x-amz-object-ownership. InvalidArgument. */
export function parseObjectOwnership(said: string): ObjectOwnership {
  const known = OWNERSHIPS.find((ownership) => ownership === said)
  if (known === undefined)
    throw invalidArgument('x-amz-object-ownership', said.slice(0, 100), 'Invalid Object Ownership')
  return known
}

/** PutBucketOwnershipControls. MalformedXML. */
export function parseOwnershipControls(bytes: Uint8Array): ObjectOwnership {
  const [rule, ...others] = knownChildren(parseXml(bytes, 'OwnershipControls'), ['Rule'])
  const said = rule && findText(rule, 'ObjectOwnership')?.trim()
  const known = OWNERSHIPS.find((ownership) => ownership === said)
  if (known === undefined || others.length > 0) throw s3Error('MalformedXML')
  return known
}

export function renderOwnershipControls(ownership: ObjectOwnership): string {
  return xmlDocument('OwnershipControls', `<Rule>${element('ObjectOwnership', ownership)}</Rule>`)
}
