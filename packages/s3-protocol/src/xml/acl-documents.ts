import { GRANTS_MAX, type Grant, PERMISSIONS, type WantedGrantee } from '../acl/acl.ts'
import { s3Error } from '../errors.ts'
import { type Owner, ownerElement } from './owner.ts'
import { findChild, findText, knownChildren, parseXml, type XmlElement } from './parse-xml.ts'
import { element, xmlDocument } from './write-xml.ts'

const XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'

/** PutBucketAcl, PutObjectAcl (S3 API, AccessControlPolicy). MalformedACLError. */
export function parseAccessControlPolicy(bytes: Uint8Array): {
  readonly ownerId: string | undefined
  readonly grants: readonly Grant<WantedGrantee>[]
} {
  const root = parseXml(bytes, 'AccessControlPolicy')
  knownChildren(root, ['Owner', 'AccessControlList'])
  const owner = findChild(root, 'Owner')
  const list = findChild(root, 'AccessControlList')
  if (list === undefined || list.children.length > GRANTS_MAX) throw s3Error('MalformedACLError')
  return {
    ownerId: owner && findText(owner, 'ID')?.trim(),
    grants: knownChildren(list, ['Grant']).map(grantOf),
  }
}

function grantOf(grant: XmlElement): Grant<WantedGrantee> {
  const grantee = findChild(grant, 'Grantee')
  const said = findText(grant, 'Permission')?.trim()
  const permission = PERMISSIONS.find((one) => one === said)
  if (grantee === undefined || permission === undefined) throw s3Error('MalformedACLError')
  return { grantee: granteeOf(grantee), permission }
}

/** Its kind is told by what names it; the attribute `xsi:type` says no more. */
function granteeOf(grantee: XmlElement): WantedGrantee {
  const id = findText(grantee, 'ID')?.trim()
  const uri = findText(grantee, 'URI')?.trim()
  const emailAddress = findText(grantee, 'EmailAddress')?.trim()
  if (id) return { id }
  if (uri) return { uri }
  if (emailAddress) return { emailAddress }
  throw s3Error('MalformedACLError')
}

/** GetBucketAcl, GetObjectAcl. */
export function renderAcl(owner: Owner, grants: readonly Grant[]): string {
  // Groups before accounts, whatever the order in which they were given: S3 promises none.
  const ordered = [...grants.filter(isToGroup), ...grants.filter((grant) => !isToGroup(grant))]
  const list = ordered.map(
    (grant) => `<Grant>${renderGrantee(grant)}<Permission>${grant.permission}</Permission></Grant>`,
  )
  return xmlDocument(
    'AccessControlPolicy',
    `${ownerElement('Owner', owner)}<AccessControlList>${list.join('')}</AccessControlList>`,
  )
}

function isToGroup({ grantee }: Grant): boolean {
  return 'uri' in grantee
}

function renderGrantee({ grantee }: Grant): string {
  if ('uri' in grantee) return `<Grantee ${XSI} xsi:type="Group">${element('URI', grantee.uri)}</Grantee>`
  const content = element('ID', grantee.id) + element('DisplayName', grantee.displayName)
  return `<Grantee ${XSI} xsi:type="CanonicalUser">${content}</Grantee>`
}
