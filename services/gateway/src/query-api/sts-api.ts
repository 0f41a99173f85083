import type { AnswerTree } from '@coffer/contracts'
import type { AuthenticatedCall } from '../authenticate-call.ts'
import { clientCertificateOf } from '../client-certificate.ts'
import type { Exchange } from '../exchange.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { globalValues } from '../global-values.ts'
import { noteRefusal, overPlainHttp } from './refusals.ts'
import { type Form, openSecretAccessKey, packSecrets } from './secrets.ts'

export const STS_NAMESPACE = 'https://sts.amazonaws.com/doc/2011-06-15/'
export const STS_VERSION = '2011-06-15'

/** Proofs of who somebody is: who has one is let in. */
const SECRET_PARAMETERS = ['WebIdentityToken', 'LDAPPassword'] as const
const BY_CERTIFICATE = 'AssumeRoleWithCertificate'
const BY_PASSWORD = 'AssumeRoleWithLDAPIdentity'
/** What bring such a proof in place of a signature (STS API Reference; MinIO has those for certificates and LDAP). */
const UNSIGNED: readonly string[] = [BY_CERTIFICATE, 'AssumeRoleWithWebIdentity', BY_PASSWORD]
/** The one that changes nothing. */
const CHANGES_NOTHING = 'GetCallerIdentity'
/** Those whose answers hold no secret. */
const TELL_NO_SECRET: readonly string[] = [CHANGES_NOTHING, 'EndSession']

export function needsNoSignature(action: string): boolean {
  return UNSIGNED.includes(action)
}

export function bringsPassword(action: string): boolean {
  return action === BY_PASSWORD
}

export function makesCredentials(action: string): boolean {
  return !TELL_NO_SECRET.includes(action)
}

export function isStsChange(action: string): boolean {
  return action !== CHANGES_NOTHING
}

/** An action of STS. Who may take which role is the iam service's to say. */
export async function performStsAction(
  action: string,
  form: Form,
  call: Pick<AuthenticatedCall, 'caller' | 'sessionToken'> | undefined,
  exchange: Exchange,
  { options }: GatewayContext,
): Promise<{ readonly [name: string]: AnswerTree } | undefined> {
  const { mesh, region } = options
  if (makesCredentials(action) && !exchange.secure) throw overPlainHttp(action)
  const { parameters, secrets, iam } = await packSecrets(form, SECRET_PARAMETERS, mesh)
  const certificate = action === BY_CERTIFICATE ? clientCertificateOf(exchange.request) : undefined
  const request = {
    action,
    parameters,
    secrets,
    values: globalValues(exchange, region),
    ...callerOf(call),
    ...(certificate && { certificate }),
  }
  const { result, secretAccessKey, decision } = await iam
    .performSts(request, mesh.recipient())
    .catch((error: unknown) => noteRefusal(exchange, error))
  // Who brought another proof than a signature has been believed.
  exchange.trail.verified()
  if (decision !== undefined) {
    exchange.trail.names({ resource: decision.resource })
    exchange.trail.decided(decision.action, { effect: 'allow', ...decision })
  }
  if (secretAccessKey === undefined) return result
  const credentials = result?.Credentials as { readonly AccessKeyId: string }
  const SecretAccessKey = openSecretAccessKey(secretAccessKey, credentials.AccessKeyId, mesh)
  return { ...result, Credentials: { ...credentials, SecretAccessKey } }
}

function callerOf(call: Pick<AuthenticatedCall, 'caller' | 'sessionToken'> | undefined) {
  if (call === undefined) return {}
  const { principal } = call.caller
  const { accessKeyId } = principal
  const credentials = { accessKeyId, ...(call.sessionToken !== undefined && { sessionToken: call.sessionToken }) }
  return { caller: { credentials, principal } }
}
