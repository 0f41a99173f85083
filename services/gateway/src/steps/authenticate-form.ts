import {
  assertPolicyAllows,
  FormDataReader,
  type FormSignature,
  parseFormBoundary,
  parseFormSignature,
  parseFormSignatureV2,
  parsePostForm,
  parsePostPolicy,
  s3Error,
  verifyFormSignature,
  withFileName,
} from '@coffer/s3-protocol'
import type { GatewayContext } from '../gateway-context.ts'
import type { AuthenticatedRequest, UnderstoodRequest } from '../requests.ts'
import type { SigningKey } from '../signing-keys.ts'
import { signerOfV2 } from './authenticate-v2.ts'

/**
 * Who posts a form: whoever signed its policy, or nobody (S3 API, "Authenticating requests in browser-based uploads using
 * POST"). Only the fields before the file are read.
 */
export async function authenticateForm(
  request: UnderstoodRequest,
  context: GatewayContext,
): Promise<AuthenticatedRequest> {
  const { headers, bucket } = request.parsed
  const boundary = parseFormBoundary(headers['content-type'])
  if (headers['content-length'] === undefined) throw s3Error('MissingContentLength')
  const reader = new FormDataReader(request.body.pieces(), boundary)
  try {
    const received = await reader.readFields()
    const signer = await findSigner(received.fields, request, context)
    const fields = withFileName(received)
    const policy = signer && parsePostPolicy(received.fields.get('policy') ?? '')
    if (policy) assertPolicyAllows(policy, { fields, bucket }, request.receivedAtMs)
    const { key, headers: putHeaders, success } = parsePostForm(fields)
    request.trail.names({ key })
    return {
      ...request,
      parsed: { ...request.parsed, key, headers: { ...putHeaders, ...ofRequest(headers) } },
      authentication: { kind: 'form', payload: { kind: 'unsigned' } },
      principal: signer?.principal ?? 'anonymous',
      ...(signer && { policies: signer.policies }),
      form: { reader, success, ...(policy?.sizeRange && { sizeRange: policy.sizeRange }) },
    }
  } catch (error) {
    await reader.close()
    throw error
  }
}

/** What conditions of policies may ask for: of the request, whatever the form says. */
function ofRequest({ host, referer, 'user-agent': userAgent }: UnderstoodRequest['parsed']['headers']) {
  return { host, referer, 'user-agent': userAgent }
}

async function findSigner(
  fields: ReadonlyMap<string, string>,
  request: UnderstoodRequest,
  context: GatewayContext,
): Promise<Omit<SigningKey, 'keyBytes'> | undefined> {
  const old = context.options.allowsSignatureVersion2 ? parseFormSignatureV2(fields) : undefined
  if (old !== undefined) return signerOfV2(old, request, context)
  const signed = parseFormSignature(fields)
  return signed && signerOf(signed, fields, request, context)
}

async function signerOf(
  signed: FormSignature,
  fields: ReadonlyMap<string, string>,
  { trail, receivedAtMs }: UnderstoodRequest,
  context: GatewayContext,
): Promise<SigningKey> {
  const { region } = context.options
  if (signed.region !== region) {
    throw s3Error('InvalidArgument', {
      message: `The region '${signed.region}' of the credential is wrong; expecting '${region}'`,
      details: { Region: region },
    })
  }
  const sessionToken = fields.get('x-amz-security-token')
  const signingKey = await context.signingKeys.find({ ...signed, ...(sessionToken !== undefined && { sessionToken }) })
  if (signingKey === undefined) throw s3Error('InvalidAccessKeyId')
  trail.claimedBy(signingKey.principal)
  verifyFormSignature(fields.get('policy') ?? '', signed, signingKey.keyBytes)
  trail.verified()
  context.signingKeys.used(signed, signingKey.principal, receivedAtMs)
  return signingKey
}
