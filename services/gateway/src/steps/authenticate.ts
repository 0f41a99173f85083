import {
  isSignedWithV2,
  parseAuthentication,
  parseSignatureV2,
  type SignedAuthentication,
  s3Error,
  verifySignature,
  withSignedParameters,
} from '@coffer/s3-protocol'
import type { GatewayContext } from '../gateway-context.ts'
import type { AuthenticatedRequest, UnderstoodRequest } from '../requests.ts'
import { authenticateForm } from './authenticate-form.ts'
import { signerOfV2 } from './authenticate-v2.ts'

/** Who makes the request: SigV4 by header or presigned URL (AWS General Reference, Signature Version 4), or nobody. */
export async function authenticate(request: UnderstoodRequest, context: GatewayContext): Promise<AuthenticatedRequest> {
  if (request.parsed.operation === 'PostObject') return authenticatePost(request, context)
  if (context.options.allowsSignatureVersion2 && isSignedWithV2(request.parsed)) return authenticateV2(request, context)
  const authentication = parseAuthentication(request.parsed)
  if (authentication.kind === 'anonymous') return { ...request, authentication, principal: 'anonymous' }
  assertRegion(authentication, context.options.region)
  const signingKey = await context.signingKeys.find(withToken(authentication, request.parsed))
  if (signingKey === undefined) throw s3Error('InvalidAccessKeyId')
  request.trail.claimedBy(signingKey.principal)
  const { seedSignature } = verifySignature(request.parsed, authentication, signingKey.keyBytes, request.receivedAtMs)
  request.trail.verified()
  context.signingKeys.used(authentication, signingKey.principal, request.receivedAtMs)
  return {
    ...request,
    parsed: authentication.kind === 'presigned' ? withSignedParameters(request.parsed) : request.parsed,
    authentication,
    principal: signingKey.principal,
    policies: signingKey.policies,
    signing: { keyBytes: signingKey.keyBytes, seedSignature },
  }
}

/** A form brings its own signature (S3 API, POST Object); one of the request has nothing that it would be of. */
function authenticatePost(request: UnderstoodRequest, context: GatewayContext): Promise<AuthenticatedRequest> {
  if (parseAuthentication(request.parsed).kind === 'anonymous') return authenticateForm(request, context)
  throw s3Error('PreconditionFailed', {
    message: 'At least one of the pre-conditions you specified did not hold',
    details: { Condition: 'Bucket POST must be of the enclosure-type multipart/form-data' },
  })
}

async function authenticateV2(request: UnderstoodRequest, context: GatewayContext): Promise<AuthenticatedRequest> {
  const signed = parseSignatureV2(request.parsed, request.receivedAtMs)
  const via = signed.via === 'presigned' ? 'presigned' : 'header'
  const signer = await signerOfV2(signed, request, context)
  return { ...request, authentication: { kind: 'v2', via, payload: { kind: 'unsigned' } }, ...signer }
}

/** Temporary credentials come with a token, in a header or in the presigned query. */
function withToken(authentication: SignedAuthentication, { headers, query }: UnderstoodRequest['parsed']) {
  const inHeader = headers['x-amz-security-token']
  const sessionToken = authentication.kind === 'presigned' ? (query.get('X-Amz-Security-Token') ?? inHeader) : inHeader
  return { ...authentication, ...(sessionToken !== undefined && { sessionToken }) }
}

/** As AWS: a signature for another region is refused with the right one named, which SDKs then use. */
function assertRegion({ kind, region }: SignedAuthentication, expected: string): void {
  if (region === expected) return
  const code = kind === 'header' ? 'AuthorizationHeaderMalformed' : 'AuthorizationQueryParametersError'
  throw s3Error(code, {
    message: `The authorization is malformed; the region '${region}' is wrong; expecting '${expected}'`,
    details: { Region: expected },
  })
}
