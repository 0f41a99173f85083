import {
  CreateAliasCommand,
  CreateGrantCommand,
  CreateKeyCommand,
  DecryptCommand,
  DeleteAliasCommand,
  DescribeKeyCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  GetKeyPolicyCommand,
  type KMSClient,
  ListAliasesCommand,
  ListGrantsCommand,
  ListKeysCommand,
  PutKeyPolicyCommand,
  ReEncryptCommand,
  ScheduleKeyDeletionCommand,
  UpdateAliasCommand,
} from '@aws-sdk/client-kms'
import { KMS_API_OPERATIONS } from '@coffer/service-gateway/testing/kms-api-registry'
import { beforeAll, describe, expect, it } from 'vitest'
import { coffer, cofferJson } from '../harness/coffer-command.ts'
import { serverForSuite } from '../harness/start-server.ts'
import { iam, newUser, policy } from '../iam/query-api.ts'
import { callKms, kmsClient } from './kms-client.ts'
import { newTenant, outcomeOf } from './tenants.ts'

/** One worker: what was changed is in force at once. */
const server = await serverForSuite({ workers: 1 })
const first = kmsClient(server)
const [blue, red] = [await newTenant(server, 'blue'), await newTenant(server, 'red')]
const REFUSED = 'AccessDeniedException'
const NOT_FOUND = 'NotFoundException'
const Plaintext = Buffer.from('p')

let key = { KeyId: '', Arn: '' }
let redKey = { KeyId: '', Arn: '' }
let CiphertextBlob: Uint8Array | undefined
let defaultPolicy = ''

const newKeyOf = async (client: KMSClient, input: object = {}) => {
  const { KeyMetadata } = await client.send(new CreateKeyCommand(input))
  return { KeyId: KeyMetadata?.KeyId ?? '', Arn: KeyMetadata?.Arn ?? '' }
}
const keyIdsOf = async (client: KMSClient) =>
  (await client.send(new ListKeysCommand({}))).Keys?.map(({ KeyId }) => KeyId)
const widened = (...statements: readonly object[]) => {
  const { Statement, ...rest } = JSON.parse(defaultPolicy)
  return JSON.stringify({ ...rest, Statement: [...Statement, ...statements] })
}
const allowing = (AWS: string, Action: readonly string[]) => ({
  ...{ Effect: 'Allow', Principal: { AWS }, Action, Resource: '*' },
})

beforeAll(async () => {
  key = await newKeyOf(blue.kms, { Description: 'ours', Tags: [{ TagKey: 'team', TagValue: 'blue' }] })
  redKey = await newKeyOf(red.kms)
  CiphertextBlob = (await blue.kms.send(new EncryptCommand({ KeyId: key.KeyId, Plaintext }))).CiphertextBlob
  defaultPolicy = (await blue.kms.send(new GetKeyPolicyCommand({ KeyId: key.KeyId }))).Policy ?? ''
  await blue.kms.send(new CreateAliasCommand({ AliasName: 'alias/blues', TargetKeyId: key.KeyId }))
})

describe('a master key', () => {
  it('belongs to the account that makes it, by its ARN and its default policy', async () => {
    expect(key.Arn).toBe(`arn:aws:kms:us-east-1:${blue.accountId}:key/${key.KeyId}`)
    const { KeyMetadata } = await blue.kms.send(new DescribeKeyCommand({ KeyId: key.Arn }))
    expect(KeyMetadata).toMatchObject({ AWSAccountId: blue.accountId, Description: 'ours', KeyManager: 'CUSTOMER' })
    expect(JSON.parse(defaultPolicy).Statement[0].Principal).toEqual({ AWS: `arn:aws:iam::${blue.accountId}:root` })
    expect(await keyIdsOf(blue.kms)).toContain(key.KeyId)
    for (const other of [red.kms, first]) expect(await keyIdsOf(other)).not.toContain(key.KeyId)
  })

  it('is made for an account by the operator too, who sees whose each is', async () => {
    await cofferJson(server, ['key', 'create', 'for-blue', '--account', 'blue'])
    expect(await keyIdsOf(blue.kms)).toContain('for-blue')
    for (const other of [red.kms, first]) expect(await keyIdsOf(other)).not.toContain('for-blue')
    const listed = await cofferJson<{ keyId: string; ownerAccountId?: string }[]>(server, ['key', 'list'])
    expect(listed.find(({ keyId }) => keyId === 'for-blue')?.ownerAccountId).toBe(blue.accountId)
    const blues = await cofferJson<{ keyId: string }[]>(server, ['key', 'list', '--account', blue.accountId])
    expect(new Set(blues.map(({ keyId }) => keyId))).toEqual(new Set(await keyIdsOf(blue.kms)))
    const { stdout } = await coffer(['key', 'list'], server.env)
    expect(stdout).toMatch(/for-blue\s*│\s*blue\s*│/)
    const usage = await cofferJson<{ name: string; keyCount: number }[]>(server, ['account', 'usage', 'blue'])
    expect(usage).toMatchObject([{ name: 'blue', keyCount: blues.length }])
    const none = await coffer(['key', 'create', 'x', '--account', 'nobody'], server.env)
    expect([none.code, none.stderr]).toEqual([1, expect.stringContaining('COFFER_ACCOUNT_NOT_FOUND')])
  })

  it('keeps its account: it is not removed with keys, nor with one that awaits its deletion', async () => {
    const green = await newTenant(server, 'green')
    const { KeyId } = await newKeyOf(green.kms)
    const remove = () => coffer(['account', 'remove', 'green'], server.env)
    expect((await remove()).stderr).toContain('IAM_ACCOUNT_OWNS_KEYS')
    await green.kms.send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 7 }))
    expect((await remove()).stderr).toContain('IAM_ACCOUNT_OWNS_KEYS')
    expect(await keyIdsOf(green.kms)).toEqual([KeyId])
  })
})

describe('an alias', () => {
  it('is of its account, and may be of many: each names its own key', async () => {
    const { KeyId } = await newKeyOf(first)
    for (const [client, TargetKeyId] of [
      [first, KeyId],
      [blue.kms, key.KeyId],
      [red.kms, redKey.Arn],
    ] as const) {
      await client.send(new CreateAliasCommand({ AliasName: 'alias/app', TargetKeyId }))
    }
    const named = async (client: KMSClient, id = 'alias/app') =>
      (await client.send(new DescribeKeyCommand({ KeyId: id }))).KeyMetadata?.KeyId
    expect([await named(first), await named(blue.kms), await named(red.kms)]).toEqual([KeyId, key.KeyId, redKey.KeyId])
    expect(await named(blue.kms, `arn:aws:kms:us-east-1:${blue.accountId}:alias/app`)).toBe(key.KeyId)
    const { Aliases } = await red.kms.send(new ListAliasesCommand({}))
    expect(Aliases?.map(({ AliasArn }) => AliasArn)).toEqual([`arn:aws:kms:us-east-1:${red.accountId}:alias/app`])
    await red.kms.send(new DeleteAliasCommand({ AliasName: 'alias/app' }))
    expect(await named(blue.kms)).toBe(key.KeyId)
    expect(await outcomeOf(named(red.kms))).toBe(NOT_FOUND)
    const operators = await cofferJson<{ alias: string }[]>(server, ['key', 'alias', 'list', '--account', 'blue'])
    expect(operators.map(({ alias }) => alias)).toEqual(['alias/app', 'alias/blues'])
  })

  it('names no key of another account', async () => {
    await red.kms.send(new CreateAliasCommand({ AliasName: 'alias/own', TargetKeyId: redKey.KeyId }))
    const create = (TargetKeyId: string) => new CreateAliasCommand({ AliasName: 'alias/thief', TargetKeyId })
    const update = (TargetKeyId: string) => new UpdateAliasCommand({ AliasName: 'alias/own', TargetKeyId })
    expect(await outcomeOf(red.kms.send(create(key.Arn)))).toBe(REFUSED)
    expect(await outcomeOf(red.kms.send(create(key.KeyId)))).toBe(NOT_FOUND)
    expect(await outcomeOf(red.kms.send(update(key.Arn)))).toBe(REFUSED)
    expect(await outcomeOf(red.kms.send(update(key.KeyId)))).toBe(NOT_FOUND)
    const operator = await coffer(['key', 'alias', 'create', 'thief', key.KeyId, '--account', 'red'], server.env)
    expect(operator.stderr).toContain('KMS_KEY_NOT_FOUND')
  })
})

/** All that names one key, as an attacker would ask for it. */
const ON_A_KEY: Readonly<Record<string, (KeyId: string) => object>> = {
  CancelKeyDeletion: (KeyId) => ({ KeyId }),
  CreateGrant: (KeyId) => ({ KeyId, GranteePrincipal: `arn:aws:iam::${red.accountId}:root`, Operations: ['Decrypt'] }),
  DescribeKey: (KeyId) => ({ KeyId }),
  DisableKey: (KeyId) => ({ KeyId }),
  DisableKeyRotation: (KeyId) => ({ KeyId }),
  EnableKey: (KeyId) => ({ KeyId }),
  EnableKeyRotation: (KeyId) => ({ KeyId }),
  Encrypt: (KeyId) => ({ KeyId, Plaintext: Plaintext.toString('base64') }),
  GenerateDataKey: (KeyId) => ({ KeyId, KeySpec: 'AES_256' }),
  GenerateDataKeyWithoutPlaintext: (KeyId) => ({ KeyId, KeySpec: 'AES_256' }),
  GetKeyPolicy: (KeyId) => ({ KeyId }),
  GetKeyRotationStatus: (KeyId) => ({ KeyId }),
  ListAliases: (KeyId) => ({ KeyId }),
  ListGrants: (KeyId) => ({ KeyId }),
  ListKeyPolicies: (KeyId) => ({ KeyId }),
  ListKeyRotations: (KeyId) => ({ KeyId }),
  ListResourceTags: (KeyId) => ({ KeyId }),
  PutKeyPolicy: (KeyId) => ({
    ...{ KeyId, BypassPolicyLockoutSafetyCheck: true },
    Policy: policy(allowing(`arn:aws:iam::${red.accountId}:root`, ['kms:*'])),
  }),
  RetireGrant: (KeyId) => ({ KeyId, GrantId: 'a'.repeat(64) }),
  RevokeGrant: (KeyId) => ({ KeyId, GrantId: 'a'.repeat(64) }),
  RotateKeyOnDemand: (KeyId) => ({ KeyId }),
  ScheduleKeyDeletion: (KeyId) => ({ KeyId }),
  TagResource: (KeyId) => ({ KeyId, Tags: [{ TagKey: 'taken', TagValue: 'yes' }] }),
  UntagResource: (KeyId) => ({ KeyId, TagKeys: ['team'] }),
  UpdateKeyDescription: (KeyId) => ({ KeyId, Description: 'taken' }),
}
const OTHERWISE = [
  ...['CreateAlias', 'CreateKey', 'Decrypt', 'DeleteAlias', 'GenerateRandom', 'ListKeys'],
  ...['ListRetirableGrants', 'ReEncrypt', 'UpdateAlias'],
]
/** By another account's ARN: who may retire a grant, its grant says, and there is none. */
const byArnOf = (operation: string) => (operation === 'RetireGrant' ? NOT_FOUND : REFUSED)

describe('another account', () => {
  const everythingOf = async () => {
    const ask = async (operation: string) =>
      (await callKms({ ...server, ...blue.keys }, operation, { KeyId: key.KeyId })).body
    const said = [
      'DescribeKey',
      'GetKeyPolicy',
      'ListResourceTags',
      'ListGrants',
      'ListAliases',
      'GetKeyRotationStatus',
    ]
    return await Promise.all([...said, 'ListKeyRotations'].map(ask))
  }

  it('is tried with every operation', () => {
    expect([...Object.keys(ON_A_KEY), ...OTHERWISE].sort()).toEqual([...KMS_API_OPERATIONS.keys()].sort())
  })

  it.each([
    ['a tenant', () => ({ ...server, ...red.keys }), () => red.accountId],
    ['the first', () => server, () => firstAccountId()],
  ])('(%s) does nothing with the key, by whatever name, and is not told that it is there', async (_, who, account) => {
    const before = await everythingOf()
    const own = `arn:aws:kms:us-east-1:${await account()}`
    const its = `arn:aws:kms:us-east-1:${blue.accountId}`
    for (const [operation, body] of Object.entries(ON_A_KEY)) {
      const codes = async (...names: readonly string[]) =>
        await Promise.all(names.map(async (name) => (await callKms(who(), operation, body(name))).type))
      const named = [operation, ...(await codes(key.KeyId, `local/${key.KeyId}`, `${own}:key/${key.KeyId}`))]
      expect(named).toEqual([operation, NOT_FOUND, NOT_FOUND, NOT_FOUND])
      const absent = [operation, ...(await codes('no-such-key', `${own}:key/no-such-key`))]
      expect(absent).toEqual([operation, NOT_FOUND, NOT_FOUND])
      const byArn = [operation, ...(await codes(`${its}:key/${key.KeyId}`, `${its}:key/no-such-key`))]
      expect(byArn).toEqual([operation, byArnOf(operation), byArnOf(operation)])
    }
    for (const operation of ['DescribeKey', 'Encrypt', 'GenerateDataKey']) {
      const code = async (name: string) => (await callKms(who(), operation, ON_A_KEY[operation]?.(name))).type
      expect(await code(`${its}:alias/blues`)).toBe(REFUSED)
      expect(await code(`${its}:alias/no-such-alias`)).toBe(REFUSED)
      expect(await code('alias/blues')).toBe(NOT_FOUND)
    }
    expect(await everythingOf()).toEqual(before)
  })

  it('learns from no answer what is there: neither whose a key is, nor what an alias names', async () => {
    const its = `arn:aws:kms:us-east-1:${blue.accountId}`
    await cofferJson(server, ['key', 'create', 'guessed-by-name', '--account', 'blue'])
    const answers = async (operation: string, body: object, named: string) => {
      const { type, message } = await callKms({ ...server, ...red.keys }, operation, body)
      return { operation, type, message: message.replaceAll(named, 'NAME') }
    }
    for (const [operation, body] of Object.entries(ON_A_KEY)) {
      for (const [there, absent] of [
        [`${its}:key/guessed-by-name`, `${its}:key/guessed-by-nobody`],
        [`${its}:alias/blues`, `${its}:alias/greys`],
      ] as const) {
        const told = await answers(operation, body(there), there)
        expect(told).toEqual(await answers(operation, body(absent), absent))
      }
    }
    // A ciphertext that was made up names any key, and does not say whose it is.
    const blobOf = (keyId: string) => {
      const names = ['local', keyId].map((text) => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]))
      return Buffer.concat([Buffer.from([1]), ...names, Buffer.from([0, 0, 0, 1, 0, 1, 0, 0])]).toString('base64')
    }
    for (const more of [{}, { KeyId: redKey.KeyId }]) {
      const tell = (keyId: string) => answers('Decrypt', { CiphertextBlob: blobOf(keyId), ...more }, keyId)
      const told = await tell('guessed-by-name')
      expect(told).toEqual(await tell('guessed-by-nobody'))
      expect(told.message).not.toContain(blue.accountId)
    }
  })

  it('opens no ciphertext of the key, and makes none of it', async () => {
    for (const client of [red.kms, first]) {
      const decrypt = (more: object = {}) => outcomeOf(client.send(new DecryptCommand({ CiphertextBlob, ...more })))
      expect(await decrypt()).toBe(REFUSED)
      expect(await decrypt({ KeyId: key.Arn })).toBe(REFUSED)
      expect(await decrypt({ KeyId: key.KeyId })).toBe(NOT_FOUND)
      const mine = await newKeyOf(client)
      expect(await decrypt({ KeyId: mine.KeyId })).toBe('IncorrectKeyException')
      const toMine = new ReEncryptCommand({ CiphertextBlob, DestinationKeyId: mine.KeyId })
      expect(await outcomeOf(client.send(toMine))).toBe(REFUSED)
      const own = (await client.send(new EncryptCommand({ KeyId: mine.KeyId, Plaintext }))).CiphertextBlob
      const toTheirs = new ReEncryptCommand({ CiphertextBlob: own, DestinationKeyId: key.Arn })
      expect(await outcomeOf(client.send(toTheirs))).toBe(REFUSED)
    }
  })

  it('uses the key by its ARN where the key’s policy and its own policies say so: both of them', async () => {
    const user = { ...server, ...(await newUser({ ...server, ...red.keys }, 'ann')) }
    const ann = kmsClient(user)
    const allowAnn = (PolicyDocument: string) =>
      iam({ ...server, ...red.keys }, 'PutUserPolicy', { UserName: 'ann', PolicyName: 'own', PolicyDocument })
    const use = (client: KMSClient, KeyId = key.Arn) =>
      outcomeOf(client.send(new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256' })))
    await allowAnn(policy({ Effect: 'Allow', Action: 'kms:*', Resource: '*' }))
    expect([await use(ann), await use(red.kms)]).toEqual([REFUSED, REFUSED])
    const toRed = allowing(`arn:aws:iam::${red.accountId}:root`, ['kms:*'])
    await blue.kms.send(new PutKeyPolicyCommand({ KeyId: key.KeyId, Policy: widened(toRed) }))
    expect([await use(ann), await use(red.kms), await use(first)]).toEqual(['done', 'done', REFUSED])
    expect(await use(ann, `arn:aws:kms:us-east-1:${blue.accountId}:alias/blues`)).toBe('done')
    expect([await use(ann, key.KeyId), await use(ann, 'alias/blues')]).toEqual([NOT_FOUND, NOT_FOUND])
    expect(await outcomeOf(ann.send(new DecryptCommand({ CiphertextBlob })))).toBe('done')
    await allowAnn(policy({ Effect: 'Allow', Action: 'kms:*', Resource: redKey.Arn }))
    expect([await use(ann), await use(red.kms)]).toEqual([REFUSED, 'done'])
    await allowAnn(policy({ Effect: 'Allow', Action: 'kms:GenerateDataKey', Resource: key.Arn }))
    expect(await use(ann)).toBe('done')
    // kms:* gives another account the use of the key, never its management.
    const Policy = policy(toRed)
    const take = { KeyId: key.Arn, Policy, BypassPolicyLockoutSafetyCheck: true }
    expect(await outcomeOf(red.kms.send(new PutKeyPolicyCommand(take)))).toBe(REFUSED)
    expect(await outcomeOf(red.kms.send(new ScheduleKeyDeletionCommand({ KeyId: key.Arn })))).toBe(REFUSED)
    expect(await keyIdsOf(red.kms)).not.toContain(key.KeyId)
    await blue.kms.send(new PutKeyPolicyCommand({ KeyId: key.KeyId, Policy: defaultPolicy }))
    expect([await use(ann), await use(red.kms)]).toEqual([REFUSED, REFUSED])
  })

  it('cannot be given the key whole by mistake: a policy that shuts out its owner has to say that it may', async () => {
    const Policy = policy(allowing(`arn:aws:iam::${red.accountId}:root`, ['kms:*']))
    const create = { Policy }
    expect(await outcomeOf(blue.kms.send(new CreateKeyCommand(create)))).toBe('MalformedPolicyDocumentException')
    const put = new PutKeyPolicyCommand({ KeyId: key.KeyId, Policy })
    expect(await outcomeOf(blue.kms.send(put))).toBe('MalformedPolicyDocumentException')
    const given = await newKeyOf(blue.kms, { ...create, BypassPolicyLockoutSafetyCheck: true })
    const describe = (client: KMSClient, KeyId: string) => outcomeOf(client.send(new DescribeKeyCommand({ KeyId })))
    expect([await describe(blue.kms, given.KeyId), await describe(red.kms, given.Arn)]).toEqual([REFUSED, 'done'])
    const back = { KeyId: given.Arn, Policy: defaultPolicy, BypassPolicyLockoutSafetyCheck: true }
    for (const client of [blue.kms, red.kms]) {
      expect(await outcomeOf(client.send(new PutKeyPolicyCommand(back)))).toBe(REFUSED)
    }
  })

  it('has what it is granted, by no token but the grant’s', async () => {
    const user = { ...server, ...(await newUser({ ...server, ...red.keys }, 'grantee')) }
    const [grantee, GranteePrincipal] = [kmsClient(user), `arn:aws:iam::${red.accountId}:user/grantee`]
    const grant = { GranteePrincipal, Operations: ['Decrypt' as const] }
    const create = (client: KMSClient, KeyId: string) => client.send(new CreateGrantCommand({ KeyId, ...grant }))
    expect(await outcomeOf(create(red.kms, key.Arn))).toBe(REFUSED)
    const { GrantToken: ofRed = '' } = await create(red.kms, redKey.KeyId)
    const decrypt = (client: KMSClient, token?: string) =>
      outcomeOf(
        client.send(new DecryptCommand({ CiphertextBlob, ...(token !== undefined && { GrantTokens: [token] }) })),
      )
    expect(await decrypt(grantee, ofRed)).toBe(REFUSED)
    // The token of its own grant, made to name the other key: connector and key are in it in the clear.
    const bytes = Buffer.from(ofRed, 'base64url')
    bytes.write(`local/${key.KeyId}`, 2)
    const INVALID = 'InvalidGrantTokenException'
    expect(await decrypt(grantee, bytes.toString('base64url'))).toBe(INVALID)
    const { GrantToken = '', GrantId } = await create(blue.kms, key.KeyId)
    const flipped = `${GrantToken.slice(0, -2)}${GrantToken.at(-2) === 'A' ? 'B' : 'A'}${GrantToken.at(-1)}`
    expect(await decrypt(grantee, flipped)).toBe(INVALID)
    expect([await decrypt(red.kms, GrantToken), await decrypt(grantee, GrantToken)]).toEqual([REFUSED, 'done'])
    const { Grants } = await blue.kms.send(new ListGrantsCommand({ KeyId: key.KeyId, GrantId }))
    expect(Grants).toMatchObject([{ KeyId: key.Arn, IssuingAccount: `arn:aws:iam::${blue.accountId}:root` }])
  })
})

async function firstAccountId(): Promise<string> {
  return (await first.send(new DescribeKeyCommand({ KeyId: 'coffer' }))).KeyMetadata?.AWSAccountId ?? ''
}
