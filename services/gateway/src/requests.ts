import type { Principal } from '@coffer/contracts'
import { invariant } from '@coffer/errors'
import type { AccessControlList, Decision, PrincipalPolicies } from '@coffer/policy'
import type { Authentication, FormDataReader, ParsedRequest, PostForm, SizeRange, Tags } from '@coffer/s3-protocol'
import type { Trail } from './audit/trail.ts'
import type { RequestBody } from './body/request-body.ts'
import type { OpenBucket } from './bucket/bucket-cache.ts'
import type { FoundVersion } from './object/find-object.ts'
import type { LockAsked } from './steps/lock-values.ts'

/** A request that is understood: one operation, its names and parameters within their limits. */
export interface UnderstoodRequest {
  readonly parsed: ParsedRequest
  /** It came to the host name of a website. */
  readonly isWebsite: boolean
  readonly body: RequestBody
  readonly requestId: string
  readonly receivedAtMs: number
  /** The client's address, as the connection has it. */
  readonly sourceIp: string
  /** `1.3`; absent without TLS. */
  readonly tlsVersion?: string
  /** This server's, whatever the client signed for. */
  readonly region: string
  readonly trail: Trail
  /** Of its span, where its trace is kept. */
  readonly traceparent?: string
}

/** A form whose fields are read and, where it has a policy, allowed by it. */
export interface PostedForm {
  readonly reader: FormDataReader
  readonly success: PostForm['success']
  readonly sizeRange?: SizeRange
}

/** Who makes it is known, and the signature is theirs. */
export interface AuthenticatedRequest extends UnderstoodRequest {
  readonly authentication: Authentication
  readonly principal: Principal | 'anonymous'
  /** The principal's own; absent for nobody. */
  readonly policies?: PrincipalPolicies
  /** For the chunks of a signed streaming body. */
  readonly signing?: { readonly keyBytes: Uint8Array; readonly seedSignature: string }
  /** Of a POST from a browser; its file is not read yet. */
  readonly form?: PostedForm
}

/** The bucket that it names exists; `bucket` is undefined for the operations that name none or make one. */
export interface LocatedRequest extends AuthenticatedRequest {
  readonly bucket: OpenBucket | undefined
  /** What policies are told of the encryption, by header, where one asks; else it is what the headers say. */
  readonly encryption?: Readonly<Record<string, string>>
  /** The lock that it is to give the object, where a policy asks. */
  readonly lock?: LockAsked
  /** Where the bucket that it makes is to be, where a policy asks. */
  readonly location?: string
  /** The tags that its body gives, where a policy asks. */
  readonly tagsAsked?: Tags
  /** The body, where it had to be read for that. */
  readonly document?: Uint8Array
}

/** What an object says that decides who may do what with it. */
export interface ExistingObject {
  readonly tags: Tags | undefined
  readonly acl: AccessControlList
  /** Absent: it is an object that is not there yet, or another than the request's. */
  readonly found?: FoundVersion
}

declare const authorized: unique symbol

/** The principal may do it. Made by `steps/authorize.ts` only; the only thing that operations accept. */
export interface AuthorizedRequest extends LocatedRequest {
  /** What is known of the object that it names, where that decides. */
  readonly existing: ExistingObject | undefined
  /** Why it may. */
  readonly decision: Decision
  readonly [authorized]: true
}

/** Of the operations on an account itself, which nobody may use without one. */
export function accountOf({ principal }: AuthorizedRequest): Principal {
  invariant(principal !== 'anonymous', 'who acts on an account has one')
  return principal
}
