import type { KeyOwner, KmsService } from '@coffer/contracts'
import type { Mesh } from '@coffer/mesh'
import type { z } from 'zod'
import type { KeyGuards } from '../keys/key-guards.ts'
import type { SigningKey } from '../signing-keys.ts'
import { kmsApiError } from './errors.ts'
import type { Naming } from './key-names.ts'
import type { NamedKeys } from './named-keys.ts'

/** What an operation may use: the services, and what its answers are made of. Of one request. */
export interface KmsApiCall extends Naming {
  readonly mesh: Mesh
  readonly kms: KmsService
  /** Of who asks: ids and aliases without an account are its. */
  readonly accountId: string
  /** The same, as keys and aliases say whose they are. */
  readonly owner: KeyOwner
  readonly caller: Pick<SigningKey, 'principal' | 'policies'>
  readonly guards: KeyGuards
  readonly named: NamedKeys
}

export interface KmsApiOperation {
  /** Its request or its answer holds a plaintext: never over plain HTTP. */
  readonly carriesSecrets: boolean
  /** It changes a key: an audit line tells of it. */
  readonly changesKeys: boolean
  /** `body`: parsed JSON, nothing of it checked. Undefined: there is nothing to say but that it is done. */
  answer(body: unknown, call: KmsApiCall): Promise<object | undefined>
}

/** An operation: the shape of its input (AWS KMS API Reference, "Request Syntax") and what it does with one that fits. */
export function kmsApiOperation<Input extends object>(
  schema: z.ZodType<Input>,
  run: (input: Input, call: KmsApiCall) => Promise<object | undefined>,
  traits: Partial<Pick<KmsApiOperation, 'carriesSecrets' | 'changesKeys'>> = {},
): KmsApiOperation {
  return {
    carriesSecrets: false,
    changesKeys: false,
    ...traits,
    async answer(body, call) {
      const parsed = schema.safeParse(body)
      if (!parsed.success) throw kmsApiError('ValidationException', { message: messageOf(parsed.error) })
      const answer = await run(parsed.data, call)
      // AWS KMS, "Testing your permissions": all is checked, and then it fails on purpose.
      if ('DryRun' in parsed.data && parsed.data.DryRun === true) throw kmsApiError('DryRunOperationException')
      return answer
    },
  }
}

/** Where and what, as AWS words it; never the value, which may be a secret. */
function messageOf({ issues }: z.ZodError): string {
  const told = issues.map(({ path, message }) => {
    const where = path.length === 0 ? 'the request' : `'${path.map(String).join('.')}'`
    return `Value at ${where} failed to satisfy constraint: ${message}`
  })
  return `${told.length} validation error${told.length === 1 ? '' : 's'} detected: ${told.join('; ')}`
}
