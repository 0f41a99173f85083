import { z } from 'zod'
import { refusal } from '../errors.ts'
import { planEndOfSession } from './logouts.ts'
import { callerOf, type StsAction, stsAction } from './sts-call.ts'

/**
 * Ends the very session that asks, and those of roles that were taken with it: Coffer's own, as AWS has no log-out. It takes nothing from
 * anybody else, so no policy is asked.
 */
export const END_SESSION: StsAction = stsAction('EndSession', true, z.strictObject({}), async (_input, call) => {
  const { session } = callerOf(call)
  if (session === undefined) {
    throw refusal('IAM_VALIDATION_ERROR', 'Only temporary credentials can be ended: access keys are deleted.')
  }
  await call.store.change((directory) => planEndOfSession(directory, session, Date.now()))
  return { result: {} }
})
