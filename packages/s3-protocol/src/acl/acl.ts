import { invalidArgument, s3Error } from '../errors.ts'

export const PERMISSIONS = ['FULL_CONTROL', 'READ', 'WRITE', 'READ_ACP', 'WRITE_ACP'] as const
export type Permission = (typeof PERMISSIONS)[number]

/** S3 User Guide, "Amazon S3 predefined groups", by the end of their URIs. */
export const GROUPS = {
  everybody: 'http://acs.amazonaws.com/groups/global/AllUsers',
  authenticated: 'http://acs.amazonaws.com/groups/global/AuthenticatedUsers',
  logDelivery: 'http://acs.amazonaws.com/groups/s3/LogDelivery',
} as const

/** Who is given something: an account by its canonical id, or a group by its URI. */
export type Grantee = { readonly id: string; readonly displayName?: string } | { readonly uri: string }

/** As it came: an account may be named by its e-mail address too. */
export type WantedGrantee = Grantee | { readonly emailAddress: string }

export interface Grant<Who = Grantee> {
  readonly grantee: Who
  readonly permission: Permission
}

type Headers = Readonly<Record<string, string | undefined>>

/** S3 User Guide, "Canned ACL". */
export const CANNED_ACLS = [
  'private',
  'public-read',
  'public-read-write',
  'authenticated-read',
  'aws-exec-read',
  'bucket-owner-read',
  'bucket-owner-full-control',
  'log-delivery-write',
] as const
export type CannedAcl = (typeof CANNED_ACLS)[number]

/** S3 User Guide, "Access control list (ACL) overview": at most 100 grants. */
export const GRANTS_MAX = 100
/** Of Amazon EC2, which `aws-exec-read` lets read. */
const EC2_CANONICAL_ID = '6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c'

const GRANT_HEADERS: Readonly<Record<string, Permission>> = {
  'x-amz-grant-full-control': 'FULL_CONTROL',
  'x-amz-grant-read': 'READ',
  'x-amz-grant-write': 'WRITE',
  'x-amz-grant-read-acp': 'READ_ACP',
  'x-amz-grant-write-acp': 'WRITE_ACP',
}
const GRANTEE = /^\s*(id|uri|emailAddress)\s*=\s*(?:"([^"]*)"|([^",]*))\s*$/i

/** What a request's headers ask for: a canned ACL, or grants. Undefined: nothing. InvalidArgument, InvalidRequest. */
export function parseAclHeaders(
  headers: Headers,
): { readonly canned: CannedAcl } | { readonly grants: readonly Grant<WantedGrantee>[] } | undefined {
  const said = headers['x-amz-acl']
  const grants = Object.entries(GRANT_HEADERS).flatMap(([name, permission]) =>
    parseGrantees(name, headers[name]).map((grantee) => ({ grantee, permission })),
  )
  const canned = CANNED_ACLS.find((name) => name === said)
  if (said !== undefined && canned === undefined) throw invalidArgument('x-amz-acl', said.slice(0, 100), '')
  if (canned !== undefined && grants.length > 0) {
    throw s3Error('InvalidRequest', { message: 'Specifying both Canned ACLs and Header Grants is not allowed' })
  }
  if (grants.length > GRANTS_MAX) throw s3Error('MalformedACLError')
  if (canned !== undefined) return { canned }
  return grants.length > 0 ? { grants } : undefined
}

function parseGrantees(name: string, value: string | undefined): WantedGrantee[] {
  if (value === undefined) return []
  return value.split(',').map((text): WantedGrantee => {
    const [, kind, quoted, bare = ''] = GRANTEE.exec(text) ?? []
    const who = quoted ?? bare.trim()
    if (kind === undefined || who === '') {
      throw invalidArgument(name, text.trim().slice(0, 100), 'Argument format not recognized')
    }
    if (kind.toLowerCase() === 'id') return { id: who }
    return kind.toLowerCase() === 'uri' ? { uri: who } : { emailAddress: who }
  })
}

/** Accounts by their canonical ids. */
interface CannedFor {
  readonly owner: { readonly id: string; readonly displayName?: string }
  readonly bucketOwner: { readonly id: string; readonly displayName?: string }
}

/** The grants that a canned ACL stands for, the owner's last. What of it does not apply to a bucket is passed over, as AWS does. */
export function grantsOfCanned(canned: CannedAcl, { owner, bucketOwner }: CannedFor): Grant[] {
  const own: Grant = { grantee: owner, permission: 'FULL_CONTROL' }
  const toBucketOwner = (permission: Permission): Grant[] =>
    bucketOwner.id === owner.id ? [own] : [own, { grantee: bucketOwner, permission }]
  switch (canned) {
    case 'private':
      return [own]
    case 'public-read':
      return [toGroup('everybody', 'READ'), own]
    case 'public-read-write':
      return [toGroup('everybody', 'READ'), toGroup('everybody', 'WRITE'), own]
    case 'authenticated-read':
      return [toGroup('authenticated', 'READ'), own]
    case 'aws-exec-read':
      return [{ grantee: { id: EC2_CANONICAL_ID }, permission: 'READ' }, own]
    case 'log-delivery-write':
      return [toGroup('logDelivery', 'WRITE'), toGroup('logDelivery', 'READ_ACP'), own]
    case 'bucket-owner-read':
      return toBucketOwner('READ')
    case 'bucket-owner-full-control':
      return toBucketOwner('FULL_CONTROL')
  }
}

function toGroup(group: keyof typeof GROUPS, permission: Permission): Grant {
  return { grantee: { uri: GROUPS[group] }, permission }
}

/** S3 User Guide, "The meaning of public": a grant to everybody, or to everybody who has an account anywhere. */
export function isPublicGrant({ grantee }: Grant<WantedGrantee>): boolean {
  return 'uri' in grantee && (grantee.uri === GROUPS.everybody || grantee.uri === GROUPS.authenticated)
}
