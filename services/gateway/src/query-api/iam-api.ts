import type { AnswerTree } from '@coffer/contracts'
import type { AuthenticatedCall } from '../authenticate-call.ts'
import type { Exchange } from '../exchange.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { globalValues } from '../global-values.ts'
import { noteRefusal, overPlainHttp } from './refusals.ts'
import { type Form, openSecretAccessKey, packSecrets, secretsIn } from './secrets.ts'

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
  form: Form,
  { caller, sessionToken }: AuthenticatedCall,
  exchange: Exchange,
  { options }: GatewayContext,
): Promise<Structure | undefined> {
  const { mesh } = options
  const carriesSecret = action === ANSWERS_SECRET || secretsIn(form, SECRET_PARAMETERS).length > 0
  if (carriesSecret && !exchange.secure) throw overPlainHttp(action)
  const { principal } = caller
  const { parameters, secrets, iam } = await packSecrets(form, SECRET_PARAMETERS, mesh)
  const credentials = { accessKeyId: principal.accessKeyId, ...(sessionToken !== undefined && { sessionToken }) }
  const values = globalValues(exchange, options.region)
  const request = { action, parameters, secrets, credentials, principal, values }
  const { result, secretAccessKey, decision } = await iam
    .perform(request, mesh.recipient())
    .catch((error: unknown) => noteRefusal(exchange, error))
  exchange.trail.names({ resource: decision.resource })
  exchange.trail.decided(decision.action, { effect: 'allow', ...decision })
  if (isChange(action)) audit(action, exchange, caller, options.logger)
  if (secretAccessKey === undefined) return result
  const key = result?.AccessKey as { readonly AccessKeyId: string }
  const SecretAccessKey = openSecretAccessKey(secretAccessKey, key.AccessKeyId, mesh)
  return { AccessKey: { ...key, SecretAccessKey } }
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
