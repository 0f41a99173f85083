import { CreateGrantCommand, CreateKeyCommand, EncryptCommand } from '@aws-sdk/client-kms'
import { KMS_API_OPERATIONS } from '@coffer/service-gateway/testing/kms-api-registry'
import { beforeAll, describe, expect, it } from 'vitest'
import { cofferJson } from '../harness/coffer-command.ts'
import { send } from '../harness/raw-request.ts'
import type { SigningKeys } from '../harness/sigv4-client.ts'
import { serverForSuite } from '../harness/start-server.ts'
import { callSts, iam, newUser, policy, type SessionKeys, sessionIn } from '../iam/query-api.ts'
import { callKms, kmsClient } from './kms-client.ts'

// One worker: what was changed is in force at once.
const server = await serverForSuite({ workers: 1 })
const kms = kmsClient(server)
const account = (await callSts(server, 'GetCallerIdentity')).text('Account')
const { accessKey: neighbour } = await cofferJson<{ accessKey: SigningKeys }>(server, [
  'account',
  'create',
  'neighbour',
])
const ROOT_ARN = `arn:aws:iam::${account}:root`
const REFUSED = 'AccessDeniedException'

/** What is there for each operation, made for it alone. */
interface Things {
  readonly KeyId: string
  readonly CiphertextBlob: string
  readonly GrantId: string
}
const Plaintext = Buffer.from('p').toString('base64')
const DEFAULT_POLICY = policy({ Effect: 'Allow', Principal: { AWS: ROOT_ARN }, Action: 'kms:*', Resource: '*' })

const keyAlone = ({ KeyId }: Things) => ({ KeyId })
const ROWS: Readonly<Record<string, (things: Things) => object>> = {
  CancelKeyDeletion: keyAlone,
  CreateAlias: ({ KeyId }) => ({ AliasName: 'alias/made', TargetKeyId: KeyId }),
  CreateGrant: ({ KeyId }) => ({ KeyId, GranteePrincipal: ROOT_ARN, Operations: ['Decrypt'] }),
  CreateKey: () => ({}),
  Decrypt: ({ CiphertextBlob }) => ({ CiphertextBlob }),
  DeleteAlias: () => ({ AliasName: 'alias/absent' }),
  DescribeKey: keyAlone,
  DisableKey: keyAlone,
  DisableKeyRotation: keyAlone,
  EnableKey: keyAlone,
  EnableKeyRotation: keyAlone,
  Encrypt: ({ KeyId }) => ({ KeyId, Plaintext }),
  GenerateDataKey: ({ KeyId }) => ({ KeyId, KeySpec: 'AES_256' }),
  GenerateDataKeyWithoutPlaintext: ({ KeyId }) => ({ KeyId, KeySpec: 'AES_256' }),
  GenerateRandom: () => ({ NumberOfBytes: 16 }),
  GetKeyPolicy: keyAlone,
  GetKeyRotationStatus: keyAlone,
  ListAliases: () => ({}),
  ListGrants: keyAlone,
  ListKeyPolicies: keyAlone,
  ListKeyRotations: keyAlone,
  ListKeys: () => ({}),
  ListResourceTags: keyAlone,
  ListRetirableGrants: () => ({ RetiringPrincipal: ROOT_ARN }),
  PutKeyPolicy: ({ KeyId }) => ({ KeyId, Policy: DEFAULT_POLICY, BypassPolicyLockoutSafetyCheck: true }),
  ReEncrypt: ({ CiphertextBlob, KeyId }) => ({ CiphertextBlob, DestinationKeyId: KeyId }),
  RetireGrant: ({ KeyId, GrantId }) => ({ KeyId, GrantId }),
  RevokeGrant: ({ KeyId, GrantId }) => ({ KeyId, GrantId }),
  RotateKeyOnDemand: keyAlone,
  ScheduleKeyDeletion: keyAlone,
  TagResource: ({ KeyId }) => ({ KeyId, Tags: [{ TagKey: 'a', TagValue: 'b' }] }),
  UntagResource: ({ KeyId }) => ({ KeyId, TagKeys: ['a'] }),
  UpdateAlias: ({ KeyId }) => ({ AliasName: 'alias/absent', TargetKeyId: KeyId }),
  UpdateKeyDescription: ({ KeyId }) => ({ KeyId, Description: 'd' }),
}
/** What is asked of no key: it is done in the account of who asks. */
const WITHOUT_KEY = new Set(['CreateKey', 'GenerateRandom', 'ListAliases', 'ListKeys'])
/** Another account is told the same of a key, its id or its alias as of one that is not there; only what names no key by these is refused as such. */
const SAID_OTHERWISE = new Set(['Decrypt', 'ListRetirableGrants', 'ReEncrypt'])

function ofNeighbour(operation: string): string {
  if (WITHOUT_KEY.has(operation)) return 'done'
  return SAID_OTHERWISE.has(operation) ? REFUSED : 'NotFoundException'
}

/** Where it is not the operation's own name. */
const ACTIONS: Readonly<Record<string, readonly string[]>> = { ReEncrypt: ['kms:ReEncryptFrom', 'kms:ReEncryptTo'] }

let plain: SigningKeys
let probe: SigningKeys
let ofRole: SessionKeys

const allow = (PolicyDocument: string) =>
  iam(server, 'PutUserPolicy', { UserName: 'probe', PolicyName: 'own', PolicyDocument })
const ask = async (operation: string, body: object, keys: SessionKeys): Promise<string> => {
  const { sessionToken, ...signing } = keys
  const headers = {
    'content-type': 'application/x-amz-json-1.1',
    'x-amz-target': `TrentService.${operation}`,
    ...(sessionToken !== undefined && { 'x-amz-security-token': sessionToken }),
  }
  const { status, type = '' } = await callKms(server, operation, body, { keys: signing }, { headers })
  return status === 200 ? 'done' : type
}

async function newThings(): Promise<Things> {
  const { KeyMetadata } = await kms.send(new CreateKeyCommand({}))
  const KeyId = KeyMetadata?.KeyId ?? ''
  const { CiphertextBlob } = await kms.send(new EncryptCommand({ KeyId, Plaintext: Buffer.from('p') }))
  const grant = { KeyId, GranteePrincipal: ROOT_ARN, Operations: ['Decrypt' as const] }
  const { GrantId = '' } = await kms.send(new CreateGrantCommand(grant))
  return { KeyId, CiphertextBlob: Buffer.from(CiphertextBlob ?? []).toString('base64'), GrantId }
}

beforeAll(async () => {
  plain = await newUser(server, 'plain')
  probe = await newUser(server, 'probe')
  const AssumeRolePolicyDocument = policy({ Effect: 'Allow', Principal: { AWS: account }, Action: 'sts:AssumeRole' })
  const role = await iam(server, 'CreateRole', { RoleName: 'all', AssumeRolePolicyDocument })
  const everything = policy({ Effect: 'Allow', Action: '*', Resource: '*' })
  await iam(server, 'PutRolePolicy', { RoleName: 'all', PolicyName: 'own', PolicyDocument: everything })
  await allow(everything)
  ofRole = sessionIn(await callSts(server, 'AssumeRole', { RoleArn: role.text('Arn'), RoleSessionName: 'job' }, probe))
})

describe('each operation of the KMS API', () => {
  it('has a row', () => {
    expect(Object.keys(ROWS).sort()).toEqual([...KMS_API_OPERATIONS.keys()].sort())
  })

  it.each(Object.keys(ROWS))('%s is done by whom it may be, and by nobody else', async (operation) => {
    const body = ROWS[operation]?.(await newThings()) ?? {}
    const actions = ACTIONS[operation] ?? [`kms:${operation}`]
    const headers = { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': `TrentService.${operation}` }
    const unsigned = await send(server, { method: 'POST', path: '/', headers, body: JSON.stringify(body) })
    await allow(policy({ Effect: 'Allow', NotAction: actions, Resource: '*' }))
    expect({
      nobody: unsigned.status,
      plain: await ask(operation, body, plain),
      allBut: await ask(operation, body, probe),
      neighbour: await ask(operation, body, neighbour),
    }).toEqual({ nobody: 400, plain: REFUSED, allBut: REFUSED, neighbour: ofNeighbour(operation) })
    await allow(policy({ Effect: 'Allow', Action: actions, Resource: '*' }))
    expect(await ask(operation, body, probe)).not.toMatch(/^(AccessDenied|Validation|Serialization)Exception$/)
    expect(await ask(operation, body, ofRole)).not.toBe(REFUSED)
    expect(await ask(operation, body, server)).not.toBe(REFUSED)
  })
})
