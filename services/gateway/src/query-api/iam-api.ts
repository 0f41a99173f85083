import type { AnswerTree, FormTree, KeyParcel } from '@coffer/contracts'
import { insecureExportKeyBytes, Secret } from '@coffer/crypto-core'
import { isCofferError } from '@coffer/errors'
import type { AuthenticatedCall } from '../authenticate-call.ts'
import type { Exchange } from '../exchange.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { globalValues } from '../global-values.ts'
import { queryApiError } from './errors.ts'

export const IAM_NAMESPACE = 'https://iam.amazonaws.com/doc/2010-05-08/'
export const IAM_VERSION = '2010-05-08'

/** Parameters that nobody on the way to the iam service may see. */
const SECRET_PARAMETERS = ['Password', 'OldPassword', 'NewPassword'] as const
/** Its answer holds a secret. */
const ANSWERS_SECRET = 'CreateAccessKey'
/** What only looks. */
const READS = /^(Get|List|Simulate|Generate)/

type Structure = { readonly [name: string]: AnswerTree }

export function isChange(action: string): boolean {
  return !READS.test(action)
}

/** An action of the IAM API. What it needs leave for, and does, is the iam service's: it knows what is there. */
export async function performIamAction(
  action: string,
  form: { readonly [name: string]: FormTree },
  { caller, sessionToken }: AuthenticatedCall,
  exchange: Exchange,
  { options }: GatewayContext,
): Promise<Structure | undefined> {
  const { mesh } = options
  const secretNames = SECRET_PARAMETERS.filter((name) => typeof form[name] === 'string')
  if ((secretNames.length > 0 || action === ANSWERS_SECRET) && !exchange.secure) throw overPlainHttp(action)
  const iam = mesh.use('iam')
  const { principal } = caller
  const parameters = { ...form }
  const secrets: Record<string, KeyParcel> = {}
  const opener = secretNames.length > 0 ? await iam.actionRecipient() : mesh.recipient()
  for (const name of secretNames) {
    delete parameters[name]
    secrets[name] = mesh.parcel(Secret.take(Buffer.from(String(form[name]))), opener, 'iam-parameter', name)
  }
  const credentials = { accessKeyId: principal.accessKeyId, ...(sessionToken !== undefined && { sessionToken }) }
  const values = globalValues(exchange, options.region)
  const request = { action, parameters, secrets, credentials, principal, values }
  const service = secretNames.length > 0 ? mesh.useAt('iam', opener) : iam
  const { result, secretAccessKey, decision } = await service
    .perform(request, mesh.recipient())
    .catch((error: unknown) => {
      if (isCofferError(error, 'IAM_ACCESS_DENIED') && 'reason' in error.details) {
        const { action: asked, resource, reason } = error.details
        exchange.trail.names({ resource: String(resource) })
        exchange.trail.decided(String(asked), { effect: 'deny', reason: String(reason) })
      }
      throw error
    })
  exchange.trail.names({ resource: decision.resource })
  exchange.trail.decided(decision.action, { effect: 'allow', ...decision })
  if (isChange(action)) audit(action, exchange, caller, options.logger)
  return secretAccessKey === undefined ? result : withSecret(result, secretAccessKey, mesh)
}

function withSecret(
  result: Structure | undefined,
  parcel: KeyParcel,
  mesh: GatewayContext['options']['mesh'],
): Structure {
  const key = result?.AccessKey as { readonly AccessKeyId: string }
  const secret = mesh.unparcel(parcel, 'secret-access-key', key.AccessKeyId)
  const text = Buffer.from(insecureExportKeyBytes(secret)).toString()
  secret.wipe()
  return { AccessKey: { ...key, SecretAccessKey: text } }
}

function audit(
  action: string,
  { requestId }: Exchange,
  { principal }: AuthenticatedCall['caller'],
  logger: GatewayContext['options']['logger'],
): void {
  const { accountId, accessKeyId, arn } = principal
  logger.info({ audit: 'iam-api', action, accountId, accessKeyId, arn, requestId }, 'an identity was changed')
}

function overPlainHttp(action: string) {
  return queryApiError('ValidationError', {
    message: `Requests for ${action} carry secrets and must be made over a secure connection.`,
  })
}
