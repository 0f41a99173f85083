import { kmsConnectorContract } from '@coffer/kms/contract'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeWithPrograms } from '../harness/find-program.ts'
import { awsWorkbench } from './aws-connect.ts'
import { type Moto, startMoto } from './moto.ts'

describeWithPrograms('the aws connector against moto', ['moto_server'], (programs) => {
  const { connect, settingsFor, dispose } = awsWorkbench()
  let moto: Moto
  let count = 0
  beforeAll(async () => {
    moto = await startMoto(programs.moto_server)
  })
  afterAll(async () => {
    await dispose()
    await moto.stop()
  })

  kmsConnectorContract('the aws connector', async () => {
    // Only what a fixture makes has its prefix.
    const settings = { ...settingsFor(moto.endpoint), keyPrefix: `t${count++}/` }
    const [connector, another] = [await connect(settings), await connect(settings)]
    const close = async () => {
      await connector.close()
      await another.close()
    }
    return { connector, another, dispose: close }
  })

  /** As an administrator of AWS has them, apart from Coffer. */
  const aws = async (action: string, input: object): Promise<Record<string, unknown>> => {
    const response = await fetch(moto.endpoint, {
      method: 'POST',
      headers: {
        'x-amz-target': `TrentService.${action}`,
        authorization: 'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/eu-central-1/kms/aws4_request, x',
      },
      body: JSON.stringify(input),
    })
    return (await response.json()) as Record<string, unknown>
  }
  const keyOfSomeoneElse = async (
    input: object = { KeyUsage: 'ENCRYPT_DECRYPT' },
  ): Promise<{ id: string; arn: string }> => {
    const { KeyMetadata } = (await aws('CreateKey', input)) as { KeyMetadata: { KeyId: string; Arn: string } }
    return { id: KeyMetadata.KeyId, arn: KeyMetadata.Arn }
  }

  it('uses keys that are there already, by key id, key ARN, alias and alias ARN', async () => {
    const { id, arn } = await keyOfSomeoneElse()
    await aws('CreateAlias', { AliasName: 'alias/archive', TargetKeyId: id })
    const aliasArn = arn.replace(/key\/.*/, 'alias/archive')
    const keys = { 'by.id': id, 'by-arn': arn, archive: 'alias/archive', 'by-alias-arn': aliasArn }
    const connector = await connect({ ...settingsFor(moto.endpoint), keyPrefix: `t${count++}/`, keys })
    for (const keyId of Object.keys(keys)) {
      const { plaintext, wrapped } = await connector.generateDataKey(keyId, { a: 'b' })
      const moved = await connector.rewrap(wrapped, { a: 'b' }, 'archive')
      expect((await connector.decrypt(moved, { a: 'b' })).equals(plaintext)).toBe(true)
      await expect(connector.createKey(keyId)).rejects.toMatchObject({
        code: expect.stringMatching(/^KMS_KEY_(EXISTS|ID_INVALID)$/),
      })
    }
    expect(await connector.rotateKey('archive')).toMatchObject({ currentVersion: 2 })
    expect(await connector.disableKey('by-arn')).toMatchObject({ state: 'disabled' })
    expect(await connector.describeKey('by.id')).toMatchObject({ state: 'disabled', currentVersion: 2 })
    const listed = await connector.listKeys({ afterKeyId: '', limit: 10 })
    expect(listed.map(({ keyId }) => keyId)).toEqual(['archive', 'by-alias-arn', 'by-arn', 'by.id'])
  })

  it('opens under one name nothing that it wrapped under another name of the same key', async () => {
    const { id } = await keyOfSomeoneElse()
    const keys = { one: id, other: id }
    const connector = await connect({ ...settingsFor(moto.endpoint), keys })
    const { wrapped } = await connector.generateDataKey('one', {})
    const opening = connector.decrypt({ ...wrapped, keyId: 'other' }, {})
    await expect(opening).rejects.toMatchObject({ code: 'KMS_CIPHERTEXT_REFUSED' })
  })

  it('leaves keys of others alone', async () => {
    const { id } = await keyOfSomeoneElse()
    await aws('CreateAlias', { AliasName: 'alias/theirs', TargetKeyId: id })
    const connector = await connect({ ...settingsFor(moto.endpoint), keyPrefix: `t${count++}/` })
    expect(await connector.listKeys({ afterKeyId: '', limit: 10 })).toEqual([])
    await expect(connector.describeKey('theirs')).rejects.toMatchObject({ code: 'KMS_KEY_NOT_FOUND' })
    await expect(connector.describeKey(id)).rejects.toMatchObject({ code: 'KMS_KEY_NOT_FOUND' })
    for (const keyId of ['alias/theirs', '../theirs']) {
      await expect(connector.describeKey(keyId)).rejects.toMatchObject({ code: 'KMS_KEY_ID_INVALID' })
    }
  })

  it('names a key id that no alias can have', async () => {
    const connector = await connect(settingsFor(moto.endpoint))
    await expect(connector.createKey('with.dots')).rejects.toMatchObject({ code: 'KMS_KEY_ID_INVALID' })
    await expect(connector.describeKey('with.dots')).rejects.toMatchObject({ code: 'KMS_KEY_NOT_FOUND' })
  })

  it('refuses keys that do not encrypt with a context', async () => {
    const { id } = await keyOfSomeoneElse({ KeySpec: 'RSA_2048', KeyUsage: 'ENCRYPT_DECRYPT' })
    const connector = await connect({ ...settingsFor(moto.endpoint), keyPrefix: `t${count++}/`, keys: { rsa: id } })
    await expect(connector.generateDataKey('rsa', {})).rejects.toMatchObject({ code: 'KMS_NOT_SUPPORTED' })
    expect(await connector.listKeys({ afterKeyId: '', limit: 10 })).toEqual([])
  })
})
