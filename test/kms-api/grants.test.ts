import {
  CreateGrantCommand,
  type CreateGrantCommandInput,
  CreateKeyCommand,
  DecryptCommand,
  DescribeKeyCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  type GrantOperation,
  type KMSClient,
  ListGrantsCommand,
  ListRetirableGrantsCommand,
  PutKeyPolicyCommand,
  ReEncryptCommand,
  RetireGrantCommand,
  RevokeGrantCommand,
} from '@aws-sdk/client-kms'
import { GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { beforeAll, describe, expect, it } from 'vitest'
import { cofferJson, runOrThrow } from '../harness/coffer-command.ts'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { COFFER, serverForSuite } from '../harness/start-server.ts'
import { callSts, iam, newUser, policy, sessionIn } from '../iam/query-api.ts'
import { callKms, kmsClient } from './kms-client.ts'

/** Two workers: a grant and its end count in the one that did not make it, too. */
const server = await serverForSuite({ workers: 2 })
const kms = kmsClient(server)
const s3 = s3Client(server)
const bucket = await newBucket(s3)
const { account, accessKey } = await cofferJson<{
  account: { accountId: string }
  accessKey: { accessKeyId: string; secretAccessKey: string }
}>(server, ['account', 'create', 'neighbour'])
const neighbour = kmsClient({ ...server, ...accessKey })
const POLL = { timeout: 60_000, interval: 100 }

let KeyId = ''
let keyArn = ''
let ownAccount = ''
const userArn = (name: string) => `arn:aws:iam::${ownAccount}:user/${name}`
const keysOf = async (name: string, allowed: string[] = []) => {
  const keys = await newUser(server, name)
  const PolicyDocument = policy({ Effect: 'Allow', Action: ['s3:*', ...allowed], Resource: '*' })
  await iam(server, 'PutUserPolicy', { UserName: name, PolicyName: 'own', PolicyDocument })
  return { ...server, ...keys }
}
/** Without the power to use any key. */
const [ann, bob] = [await keysOf('ann'), await keysOf('bob')]
const [annKms, bobKms] = [kmsClient(ann), kmsClient(bob)]

const grant = (Operations: GrantOperation[], more: Partial<CreateGrantCommandInput> = {}) =>
  kms.send(new CreateGrantCommand({ KeyId, GranteePrincipal: userArn('ann'), Operations, ...more }))
const revoke = (GrantId: string | undefined) => kms.send(new RevokeGrantCommand({ KeyId, GrantId }))
const outcomeOf = (done: Promise<unknown>) =>
  failureOf(done).then(
    ({ code }) => code,
    () => 'done',
  )
const encrypted = async (EncryptionContext: Record<string, string> = {}) =>
  (await kms.send(new EncryptCommand({ KeyId, Plaintext: Buffer.from('p'), EncryptionContext }))).CiphertextBlob
/** Each over a connection of its own: so each worker is asked. */
const everywhere = async (ask: (fresh: { kms: KMSClient; s3: S3Client }) => Promise<unknown>, of = ann) => {
  const outcomes = new Set<string>()
  for (let attempt = 0; attempt < 8; attempt++) {
    const fresh = { kms: kmsClient(of), s3: s3Client(of) }
    outcomes.add(await outcomeOf(ask(fresh)))
    fresh.kms.destroy()
    fresh.s3.destroy()
  }
  return [...outcomes]
}

beforeAll(async () => {
  const { KeyMetadata } = await kms.send(new CreateKeyCommand({ Description: 'granted' }))
  KeyId = KeyMetadata?.KeyId ?? ''
  keyArn = KeyMetadata?.Arn ?? ''
  ownAccount = KeyMetadata?.AWSAccountId ?? ''
})

describe('a grant', () => {
  it('lets its grantee do what it says, in every worker, and nobody else and nothing else', async () => {
    const CiphertextBlob = await encrypted()
    const decrypt = (client: KMSClient) => client.send(new DecryptCommand({ CiphertextBlob }))
    expect(await outcomeOf(decrypt(annKms))).toBe('AccessDeniedException')
    const { GrantId } = await grant(['Decrypt', 'DescribeKey'])
    await expect.poll(() => everywhere((fresh) => decrypt(fresh.kms)), POLL).toEqual(['done'])
    expect(await outcomeOf(annKms.send(new DescribeKeyCommand({ KeyId })))).toBe('done')
    const encrypt = new EncryptCommand({ KeyId, Plaintext: Buffer.from('p') })
    expect(await outcomeOf(annKms.send(encrypt))).toBe('AccessDeniedException')
    const again = new ReEncryptCommand({ CiphertextBlob, DestinationKeyId: KeyId })
    expect(await outcomeOf(annKms.send(again))).toBe('AccessDeniedException')
    expect(await outcomeOf(decrypt(bobKms))).toBe('AccessDeniedException')
    const { KeyMetadata: other } = await kms.send(new CreateKeyCommand({}))
    expect(await outcomeOf(annKms.send(new DescribeKeyCommand({ KeyId: other?.KeyId })))).toBe('AccessDeniedException')
    await revoke(GrantId)
    await expect.poll(() => everywhere((fresh) => decrypt(fresh.kms)), POLL).toEqual(['AccessDeniedException'])
  })

  it('lets its grantee read and write objects of S3 under the key', async () => {
    const put = (client: S3Client, Key: string) =>
      client.send(
        new PutObjectCommand({
          Bucket: bucket,
          Key,
          Body: 'true',
          ServerSideEncryption: 'aws:kms',
          SSEKMSKeyId: KeyId,
        }),
      )
    const get = (client: S3Client) => client.send(new GetObjectCommand({ Bucket: bucket, Key: 'held' }))
    await put(s3, 'held')
    expect(await everywhere((fresh) => get(fresh.s3))).toEqual(['AccessDenied'])
    const read = await grant(['Decrypt'])
    await expect.poll(() => everywhere((fresh) => get(fresh.s3)), POLL).toEqual(['done'])
    expect((await bytesOf(await get(s3Client(ann)))).toString()).toBe('true')
    expect(await everywhere((fresh) => put(fresh.s3, 'mine'))).toEqual(['AccessDenied'])
    const write = await grant(['GenerateDataKey'])
    await expect.poll(() => everywhere((fresh) => put(fresh.s3, 'mine')), POLL).toEqual(['done'])
    await revoke(read.GrantId)
    await revoke(write.GrantId)
    await expect.poll(() => everywhere((fresh) => get(fresh.s3)), POLL).toEqual(['AccessDenied'])
    await expect.poll(() => everywhere((fresh) => put(fresh.s3, 'mine')), POLL).toEqual(['AccessDenied'])
  })

  it('can be for the objects of one bucket: S3 says in the encryption context where they are', async () => {
    const elsewhere = await newBucket(s3)
    for (const Bucket of [bucket, elsewhere]) {
      const where = { Bucket, Key: 'placed', BucketKeyEnabled: true }
      const sealed = { ...where, Body: 'x', ServerSideEncryption: 'aws:kms' as const, SSEKMSKeyId: KeyId }
      await s3.send(new PutObjectCommand(sealed))
    }
    const EncryptionContextSubset = { 'aws:s3:arn': `arn:aws:s3:::${bucket}` }
    const { GrantId } = await grant(['Decrypt'], { Constraints: { EncryptionContextSubset } })
    const get = (Bucket: string) => (fresh: { s3: S3Client }) =>
      fresh.s3.send(new GetObjectCommand({ Bucket, Key: 'placed' }))
    await expect.poll(() => everywhere(get(bucket)), POLL).toEqual(['done'])
    expect(await everywhere(get(elsewhere))).toEqual(['AccessDenied'])
    await revoke(GrantId)
  })

  it.each([
    ['EncryptionContextEquals', { a: '1' }, [{ a: '1' }], [{ a: '1', b: '2' }, {}, { a: '2' }, { A: '1' }]],
    ['EncryptionContextSubset', { a: '1' }, [{ a: '1' }, { a: '1', b: '2' }], [{}, { a: '2' }, { b: '1' }]],
  ])('is held to its constraint %s', async (kind, pairs, met, unmet) => {
    const { GrantId, GrantToken = '' } = await grant(['Decrypt'], { Constraints: { [kind]: pairs } })
    const decrypt = async (EncryptionContext: Record<string, string>) =>
      await outcomeOf(
        annKms.send(
          new DecryptCommand({
            CiphertextBlob: await encrypted(EncryptionContext),
            EncryptionContext,
            GrantTokens: [GrantToken],
          }),
        ),
      )
    for (const context of met) expect([context, await decrypt(context)]).toEqual([context, 'done'])
    for (const context of unmet) expect([context, await decrypt(context)]).toEqual([context, 'AccessDeniedException'])
    await revoke(GrantId)
  })

  it('does not help against a Deny, of the key or of the own policies', async () => {
    const { GrantId, GrantToken = '' } = await grant(['GenerateDataKey'])
    const generate = () =>
      outcomeOf(annKms.send(new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256', GrantTokens: [GrantToken] })))
    expect(await generate()).toBe('done')
    const PolicyDocument = policy({ Effect: 'Deny', Action: 'kms:*', Resource: '*' })
    await iam(server, 'PutUserPolicy', { UserName: 'ann', PolicyName: 'no', PolicyDocument })
    await expect.poll(generate, POLL).toBe('AccessDeniedException')
    await iam(server, 'DeleteUserPolicy', { UserName: 'ann', PolicyName: 'no' })
    await expect.poll(generate, POLL).toBe('done')
    await revoke(GrantId)
  })

  it('to a role is for its sessions, within their policies; to an account for whom that account lets', async () => {
    const Trust = policy({ Effect: 'Allow', Principal: { AWS: userArn('bob') }, Action: 'sts:AssumeRole' })
    await iam(server, 'CreateRole', { RoleName: 'reader', AssumeRolePolicyDocument: Trust })
    const RoleArn = `arn:aws:iam::${ownAccount}:role/reader`
    const assumed = async (Policy?: string) => {
      const parameters = { RoleArn, RoleSessionName: 'session', ...(Policy && { Policy }) }
      return sessionIn(await callSts(bob, 'AssumeRole', parameters))
    }
    const whole = await assumed()
    const narrow = await assumed(policy({ Effect: 'Allow', Action: 's3:*', Resource: '*' }))
    const { GrantId, GrantToken } = await grant(['DescribeKey'], { GranteePrincipal: RoleArn })
    const input = { KeyId, GrantTokens: [GrantToken] }
    const describeAs = async ({ sessionToken, ...keys }: typeof whole) => {
      const headers = {
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': 'TrentService.DescribeKey',
        'x-amz-security-token': sessionToken,
      }
      return (await callKms(server, 'DescribeKey', input, { keys }, { headers })).type ?? 'done'
    }
    expect(await describeAs(whole)).toBe('done')
    expect(await describeAs(narrow)).toBe('AccessDeniedException')
    await revoke(GrantId)
    const toAll = await grant(['DescribeKey'], { GranteePrincipal: `arn:aws:iam::${account.accountId}:root` })
    const describe = { KeyId: keyArn, GrantTokens: [toAll.GrantToken ?? ''] }
    expect(await outcomeOf(neighbour.send(new DescribeKeyCommand(describe)))).toBe('done')
    expect(await outcomeOf(annKms.send(new DescribeKeyCommand(describe)))).toBe('AccessDeniedException')
    await revoke(toAll.GrantId)
  })
})

describe('a grant token', () => {
  it('counts at once; of a grant that is revoked, changed or made up it is refused', async () => {
    const { GrantId, GrantToken = '' } = await grant(['DescribeKey'])
    const describeWith = (...GrantTokens: string[]) =>
      outcomeOf(annKms.send(new DescribeKeyCommand({ KeyId, GrantTokens })))
    expect(await describeWith(GrantToken)).toBe('done')
    const changed = Buffer.from(GrantToken, 'base64url')
    changed.writeUInt8(changed.readUInt8(changed.length - 1) ^ 1, changed.length - 1)
    expect(await describeWith(changed.toString('base64url'))).toBe('InvalidGrantTokenException')
    expect(await describeWith('made-up')).toBe('InvalidGrantTokenException')
    await revoke(GrantId)
    expect(await describeWith(GrantToken)).toBe('InvalidGrantTokenException')
  })

  it('gives nothing to who is not the grantee', async () => {
    const { GrantId, GrantToken = '' } = await grant(['DescribeKey'])
    const input = { KeyId, GrantTokens: [GrantToken] }
    expect(await outcomeOf(bobKms.send(new DescribeKeyCommand(input)))).toBe('AccessDeniedException')
    await revoke(GrantId)
  })

  it('of a grant that was made again under its name is not one of the first', async () => {
    const first = await grant(['DescribeKey'], { Name: 'again' })
    await revoke(first.GrantId)
    const second = await grant(['DescribeKey'], { Name: 'again' })
    expect(second.GrantId).toBe(first.GrantId)
    const retire = (GrantToken: string | undefined) => outcomeOf(kms.send(new RetireGrantCommand({ GrantToken })))
    expect(await retire(first.GrantToken)).toBe('InvalidGrantTokenException')
    expect(await retire(second.GrantToken)).toBe('done')
  })
})

describe('CreateGrant', () => {
  it('with a name gives the grant that is there, unless anything is different', async () => {
    const first = await grant(['Decrypt', 'Encrypt'], {
      Name: 'once',
      Constraints: { EncryptionContextSubset: { a: '1' } },
    })
    const same = await grant(['Encrypt', 'Decrypt'], {
      Name: 'once',
      Constraints: { EncryptionContextSubset: { a: '1' } },
    })
    const other = await grant(['Decrypt', 'Encrypt'], {
      Name: 'once',
      Constraints: { EncryptionContextEquals: { a: '1' } },
    })
    expect(same.GrantId).toBe(first.GrantId)
    expect(same.GrantToken).not.toBe(first.GrantToken)
    expect(other.GrantId).not.toBe(first.GrantId)
    const unnamed = [await grant(['Decrypt']), await grant(['Decrypt'])].map(({ GrantId }) => GrantId)
    expect(new Set(unnamed).size).toBe(2)
    for (const id of [first.GrantId, other.GrantId, ...unnamed]) await revoke(id)
  })

  it.each([
    [{ GranteePrincipal: 'ann' }, 'InvalidArnException'],
    [{ GranteePrincipal: 'arn:aws:s3:::bucket' }, 'InvalidArnException'],
    [{ GranteePrincipal: 'arn:aws:iam::000000000000:user/ann' }, 'InvalidArnException'],
    [{ RetiringPrincipal: 'arn:aws:iam::000000000000:root' }, 'InvalidArnException'],
    [{ GranteePrincipal: '*' }, 'ValidationException'],
    [{ GranteePrincipal: undefined }, 'ValidationException'],
    [{ Operations: ['Sign'] }, 'ValidationException'],
    [{ Operations: [] }, 'ValidationException'],
    [{ Name: 'a b' }, 'ValidationException'],
    [{ Constraints: { EncryptionContextEquals: { a: 'x'.repeat(385) } } }, 'ValidationException'],
    [{ Constraints: { SourceArn: 'arn:aws:s3:::bucket' } }, 'UnsupportedOperationException'],
    [{ GranteeServicePrincipal: 's3.amazonaws.com' }, 'UnsupportedOperationException'],
    [{ KeyId: 'coffer' }, 'UnsupportedOperationException'],
    [{ KeyId: 'nothing' }, 'NotFoundException'],
    [{ GrantTokens: ['made-up'] }, 'InvalidGrantTokenException'],
    [{ DryRun: true }, 'DryRunOperationException'],
  ])('of %j is %s', async (more, code) => {
    const input = { KeyId, GranteePrincipal: userArn('ann'), Operations: ['Decrypt'], ...more }
    expect(await callKms(server, 'CreateGrant', input)).toMatchObject({ status: 400, type: code })
    expect((await kms.send(new ListGrantsCommand({ KeyId }))).Grants).toEqual([])
  })

  it('by a grant makes only what is no more than it', async () => {
    const parent = await grant(['CreateGrant', 'Decrypt', 'Encrypt'], {
      Constraints: { EncryptionContextSubset: { team: 'blue' } },
    })
    const pass = (Operations: string[], Constraints?: object) =>
      callKms(ann, 'CreateGrant', {
        KeyId,
        GranteePrincipal: userArn('bob'),
        Operations,
        Constraints,
        GrantTokens: [parent.GrantToken],
      })
    for (const [operations, constraints] of [
      [['GenerateDataKey'], { EncryptionContextSubset: { team: 'blue' } }],
      [['Decrypt'], undefined],
      [['Decrypt'], { EncryptionContextSubset: { team: 'red' } }],
      [['Decrypt'], { EncryptionContextEquals: { other: 'blue' } }],
    ] as const) {
      expect((await pass([...operations], constraints)).type).toBe('AccessDeniedException')
    }
    const made = await pass(['Decrypt'], { EncryptionContextEquals: { team: 'blue', tier: '1' } })
    expect(made.status).toBe(200)
    await revoke(parent.GrantId)
    await revoke(String(made.body.GrantId))
  })

  it('is governed by the condition keys of grants', async () => {
    const lead = await keysOf('lead')
    const allow = async (Condition: object) => {
      const PolicyDocument = policy({ Effect: 'Allow', Action: 'kms:CreateGrant', Resource: keyArn, Condition })
      await iam(server, 'PutUserPolicy', { UserName: 'lead', PolicyName: 'grants', PolicyDocument })
    }
    const ask = async (more: object = {}) => {
      const input = { KeyId, GranteePrincipal: userArn('ann'), Operations: ['Decrypt'], DryRun: true, ...more }
      return (await callKms(lead, 'CreateGrant', input)).type
    }
    await allow({
      'ForAllValues:StringEquals': { 'kms:GrantOperations': ['Decrypt', 'DescribeKey'] },
      StringEquals: { 'kms:GranteePrincipal': userArn('ann') },
    })
    await expect.poll(() => ask(), POLL).toBe('DryRunOperationException')
    expect(await ask({ Operations: ['Decrypt', 'Encrypt'] })).toBe('AccessDeniedException')
    expect(await ask({ GranteePrincipal: userArn('bob') })).toBe('AccessDeniedException')
    await allow({ Bool: { 'kms:GrantIsForAWSResource': 'true' } })
    await expect.poll(() => ask(), POLL).toBe('AccessDeniedException')
  })
})

describe('grants', () => {
  it('are listed by key, by grantee and by id, page by page, and by who may retire them', async () => {
    const { KeyMetadata } = await kms.send(new CreateKeyCommand({}))
    await newUser(server, 'registrar')
    const listed = {
      KeyId: KeyMetadata?.KeyId,
      RetiringPrincipal: userArn('registrar'),
      Operations: ['Decrypt' as const],
    }
    const made: (string | undefined)[] = []
    for (const name of ['ann', 'ann', 'bob']) {
      made.push((await grant(['Decrypt'], { ...listed, GranteePrincipal: userArn(name) })).GrantId)
    }
    const first = await kms.send(new ListGrantsCommand({ KeyId: listed.KeyId, Limit: 2 }))
    expect(first).toMatchObject({ Truncated: true, NextMarker: expect.any(String) })
    const rest = await kms.send(new ListGrantsCommand({ KeyId: listed.KeyId, Marker: first.NextMarker }))
    const all = [...(first.Grants ?? []), ...(rest.Grants ?? [])]
    expect(all.map(({ GrantId }) => GrantId).sort()).toEqual([...made].sort())
    expect(all[0]).toMatchObject({ KeyId: KeyMetadata?.Arn, IssuingAccount: `arn:aws:iam::${ownAccount}:root` })
    const ofBob = await kms.send(new ListGrantsCommand({ KeyId: listed.KeyId, GranteePrincipal: userArn('bob') }))
    expect(ofBob.Grants?.map(({ GrantId }) => GrantId)).toEqual([made[2]])
    const ofId = await kms.send(new ListGrantsCommand({ KeyId: listed.KeyId, GrantId: made[0] }))
    expect(ofId.Grants).toMatchObject([{ GrantId: made[0], GranteePrincipal: userArn('ann') }])
    const retirable = async (Limit: number, Marker?: string) =>
      await kms.send(new ListRetirableGrantsCommand({ RetiringPrincipal: userArn('registrar'), Limit, Marker }))
    const page = await retirable(2)
    const lastPage = await retirable(2, page.NextMarker)
    expect([page.Grants?.length, lastPage.Grants?.length, lastPage.Truncated]).toEqual([2, 1, false])
    const theirs = new ListRetirableGrantsCommand({ RetiringPrincipal: userArn('registrar') })
    expect(await outcomeOf(neighbour.send(theirs))).toBe('AccessDeniedException')
    const shown = await cofferJson<{ grantId: string }[]>(server, ['key', 'grant', 'list', listed.KeyId ?? ''])
    expect(shown.map(({ grantId }) => grantId).sort()).toEqual([...made].sort())
    const toBob = ['key', 'grant', 'list', listed.KeyId ?? '', '--grantee', userArn('bob')]
    expect(await cofferJson(server, toBob)).toMatchObject([{ grantId: made[2] }])
    const command = ['key', 'grant', 'revoke', listed.KeyId ?? '', made[0] ?? '']
    await runOrThrow(process.execPath, [COFFER, ...command], { env: server.env })
    expect((await kms.send(new ListGrantsCommand({ KeyId: listed.KeyId }))).Grants).toHaveLength(2)
  })

  it('are retired by who may: the retiring principal, a grantee that is let, the account; revoked by whom a policy lets', async () => {
    const clerk = kmsClient(await keysOf('clerk'))
    const retiredBy = async (client: KMSClient, operations: GrantOperation[], RetiringPrincipal?: string) => {
      const { GrantToken, GrantId } = await grant(operations, { RetiringPrincipal })
      const outcome = await outcomeOf(client.send(new RetireGrantCommand({ GrantToken })))
      if (outcome !== 'done') await revoke(GrantId)
      return outcome
    }
    expect(await retiredBy(clerk, ['Decrypt'], userArn('clerk'))).toBe('done')
    expect(await retiredBy(clerk, ['Decrypt'], userArn('bob'))).toBe('AccessDeniedException')
    expect(await retiredBy(annKms, ['Decrypt', 'RetireGrant'])).toBe('done')
    expect(await retiredBy(annKms, ['Decrypt'])).toBe('AccessDeniedException')
    expect(await retiredBy(kms, ['Decrypt'])).toBe('done')
    expect(await retiredBy(neighbour, ['Decrypt'])).toBe('AccessDeniedException')
    const { GrantId } = await grant(['Decrypt'])
    expect(await outcomeOf(annKms.send(new RevokeGrantCommand({ KeyId, GrantId })))).toBe('AccessDeniedException')
    expect(await outcomeOf(kms.send(new RetireGrantCommand({ KeyId: keyArn, GrantId, DryRun: true })))).toBe(
      'DryRunOperationException',
    )
    expect(await outcomeOf(kms.send(new RetireGrantCommand({ KeyId: keyArn, GrantId })))).toBe('done')
    expect(await outcomeOf(revoke(GrantId))).toBe('NotFoundException')
    expect(await outcomeOf(revoke('x'))).toBe('InvalidGrantIdException')
    expect(await outcomeOf(kms.send(new RetireGrantCommand({ KeyId: keyArn })))).toBe('ValidationException')
  })

  it("let another account grant on, where the key's policy lets it, and retire what it has granted", async () => {
    const Statement = [
      { Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${ownAccount}:root` }, Action: 'kms:*', Resource: '*' },
      {
        Effect: 'Allow',
        Principal: { AWS: `arn:aws:iam::${account.accountId}:root` },
        Action: 'kms:CreateGrant',
        Resource: '*',
      },
    ]
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement })
    await kms.send(new PutKeyPolicyCommand({ KeyId, Policy }))
    const create = { KeyId: keyArn, GranteePrincipal: userArn('bob'), Operations: ['DescribeKey' as const] }
    const made = () => neighbour.send(new CreateGrantCommand({ ...create, Name: 'theirs' }))
    const theirs = { ...server, ...accessKey }
    const ask = (fresh: { kms: KMSClient }) => fresh.kms.send(new CreateGrantCommand({ ...create, Name: 'theirs' }))
    await expect.poll(() => everywhere(ask, theirs), POLL).toEqual(['done'])
    const { GrantToken = '' } = await made()
    const describe = { KeyId: keyArn, GrantTokens: [GrantToken] }
    expect(await outcomeOf(bobKms.send(new DescribeKeyCommand(describe)))).toBe('done')
    expect(await outcomeOf(neighbour.send(new DescribeKeyCommand({ KeyId: keyArn })))).toBe('AccessDeniedException')
    expect(await outcomeOf(neighbour.send(new RetireGrantCommand({ GrantToken })))).toBe('done')
  })
})
