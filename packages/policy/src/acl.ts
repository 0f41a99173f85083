import { type Decision, type DecisionRequest, decide, type NamedPolicy } from './decide.ts'
import { parseResourcePolicy } from './language/parse-policy.ts'
import type { RequestPrincipal } from './principal.ts'

/** An access control list: what accounts (by canonical id) and groups (by URI) are given. */
export interface AccessControlList {
  readonly ownerAccountId: string
  readonly grants: readonly {
    readonly grantee: { readonly id: string } | { readonly uri: string }
    readonly permission: string
  }[]
}

/** The lists that apply where a bucket's ownership setting enables them. */
export interface AclRequest {
  readonly bucketAcl: AccessControlList
  /** Of the object that the action names; absent: there is none. */
  readonly objectAcl?: AccessControlList | undefined
  /** IgnorePublicAcls: what groups of strangers are given does not count. */
  readonly ignoresPublic: boolean
}

const EVERYBODY = 'http://acs.amazonaws.com/groups/global/AllUsers'
const AUTHENTICATED = 'http://acs.amazonaws.com/groups/global/AuthenticatedUsers'

/** S3 User Guide, "Mapping of ACL permissions and access policy permissions". */
const BY_BUCKET_ACL: Readonly<Record<string, string>> = {
  's3:ListBucket': 'READ',
  's3:ListBucketVersions': 'READ',
  's3:ListBucketMultipartUploads': 'READ',
  's3:PutObject': 'WRITE',
  's3:DeleteObject': 'WRITE',
  's3:AbortMultipartUpload': 'WRITE',
  's3:ListMultipartUploadParts': 'WRITE',
  's3:GetBucketAcl': 'READ_ACP',
  's3:PutBucketAcl': 'WRITE_ACP',
}
const BY_OBJECT_ACL: Readonly<Record<string, string>> = {
  's3:GetObject': 'READ',
  's3:GetObjectVersion': 'READ',
  's3:GetObjectAttributes': 'READ',
  's3:GetObjectVersionAttributes': 'READ',
  's3:GetObjectAcl': 'READ_ACP',
  's3:GetObjectVersionAcl': 'READ_ACP',
  's3:PutObjectAcl': 'WRITE_ACP',
  's3:PutObjectVersionAcl': 'WRITE_ACP',
}

/** Whether an object's own list says who may do this with it. */
export function isByObjectAcl(action: string): boolean {
  return action in BY_OBJECT_ACL
}

/** What decisions call the lists. */
export const ACL_POLICY_ID = 'access-control-list'

/** A grant is to its grantee what a policy of the resource would be that allows the action: nothing less, and nothing more. */
const GRANTED: NamedPolicy = {
  id: ACL_POLICY_ID,
  policy: parseResourcePolicy(
    JSON.stringify({
      Version: '2012-10-17',
      Statement: { Effect: 'Allow', Principal: '*', Action: 's3:*', Resource: 'arn:aws:s3:::*' },
    }),
    { service: 's3', isOwnResource: () => true },
  ),
}

/** Denials that mean: nothing has allowed it yet. */
const UNGRANTED: readonly Decision['reason'][] = ['anonymous', 'no-resource-policy']

/**
 * Who may do what in a bucket with access control lists (S3 User Guide, "How Amazon S3 authorizes a request"): what `decide` says,
 * and what the lists grant beside it. An object of another account than the bucket's is that account's to give: the bucket's
 * policy can deny, but not allow, and its owner needs a grant as everybody else.
 */
export function decideWithAcls(request: DecisionRequest, acls: AclRequest): Decision {
  const decision = decide(request)
  const { objectAcl } = acls
  const isForeign = objectAcl !== undefined && objectAcl.ownerAccountId !== acls.bucketAcl.ownerAccountId
  if (isForeign && isByObjectAcl(request.action)) return decideOnForeign(request, acls, decision)
  if (decision.effect === 'allow' || !UNGRANTED.includes(decision.reason)) return decision
  return isGranted(request, acls) ? decide({ ...request, resourcePolicy: GRANTED, restrictsPublic: false }) : decision
}

function decideOnForeign(request: DecisionRequest, acls: AclRequest, byBucket: Decision): Decision {
  const isRefused = byBucket.effect === 'deny' && !UNGRANTED.includes(byBucket.reason)
  if (isRefused) return byBucket
  return decide({
    ...request,
    resourceAccountId: acls.objectAcl?.ownerAccountId ?? acls.bucketAcl.ownerAccountId,
    resourcePolicy: isGranted(request, acls) ? GRANTED : undefined,
    restrictsPublic: false,
  })
}

function isGranted(
  { action, principal }: DecisionRequest,
  { bucketAcl, objectAcl, ignoresPublic }: AclRequest,
): boolean {
  const onBucket = BY_BUCKET_ACL[action]
  if (onBucket !== undefined) return grants(bucketAcl, onBucket, principal, ignoresPublic)
  const onObject = BY_OBJECT_ACL[action]
  if (onObject === undefined) return false
  // Whoever may list a bucket is told that a key is not there: there is nothing to be let in to.
  if (objectAcl === undefined) return onObject === 'READ' && grants(bucketAcl, 'READ', principal, ignoresPublic)
  return grants(objectAcl, onObject, principal, ignoresPublic)
}

function grants(acl: AccessControlList, wanted: string, principal: RequestPrincipal, ignoresPublic: boolean): boolean {
  const known = principal !== 'anonymous' && principal.kind !== 'proven-identity' ? principal : undefined
  return acl.grants.some(({ grantee, permission }) => {
    if (permission !== wanted && permission !== 'FULL_CONTROL') return false
    if ('id' in grantee) return known?.canonicalId === grantee.id
    if (ignoresPublic) return false
    return grantee.uri === EVERYBODY || (grantee.uri === AUTHENTICATED && known !== undefined)
  })
}
