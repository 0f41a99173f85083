import type { FormTree, StsActionAnswer } from '@coffer/contracts'
import { refusal } from '../errors.ts'
import { STS_ACTIONS } from './index.ts'
import { callerOf, type StsCall } from './sts-call.ts'

export { WebIdentityVerifier } from '@coffer/web-identity'
export { logOut } from './log-out.ts'

/** Does an action of STS. IAM_INVALID_ACTION, and what the action can refuse with. */
export async function performSts(
  name: string,
  parameters: { readonly [name: string]: FormTree },
  { secrets, ...parts }: Omit<StsCall, 'secret'> & { readonly secrets: Readonly<Record<string, string>> },
): Promise<StsActionAnswer> {
  const action = STS_ACTIONS.get(name)
  if (action === undefined) {
    throw refusal('IAM_INVALID_ACTION', `Could not find operation ${name} for version 2011-06-15`)
  }
  const call: StsCall = {
    ...parts,
    secret(parameter) {
      const text = secrets[parameter]
      if (text === undefined || text === '') {
        throw refusal('IAM_VALIDATION_ERROR', `Value at '${parameter}': Member must not be null`)
      }
      return text
    },
  }
  if (action.isSigned) callerOf(call)
  return await action.answer(parameters, call)
}
