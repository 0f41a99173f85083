import type { KmsConnector } from '@coffer/kms'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { describeWithPrograms } from '../harness/find-program.ts'
import { awsWorkbench, textsOf } from './aws-connect.ts'
import { serve } from './aws-double.ts'
import { type AccessKey, documentedPolicy, inKmsWords, MotoIam } from './aws-iam.ts'
import { type Moto, startMoto } from './moto.ts'

const REGION = 'eu-central-1'
const { connect, fileWith, dispose } = awsWorkbench()
afterAll(dispose)

/** For one test only; whatever this machine has of AWS's settings counts for nothing. */
const setEnvironment = (variables: Readonly<Record<string, string>>): void => {
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) vi.stubEnv(name, undefined)
  const nothing = {
    AWS_CONFIG_FILE: '/nonexistent',
    AWS_SHARED_CREDENTIALS_FILE: '/nonexistent',
    AWS_EC2_METADATA_DISABLED: 'true',
  }
  for (const [name, value] of Object.entries({ ...nothing, ...variables })) vi.stubEnv(name, value)
}
afterEach(() => {
  vi.unstubAllEnvs()
  vi.useRealTimers()
})

describeWithPrograms('credentials of the aws connector, checked by moto', ['moto_server'], (programs) => {
  let moto: Moto
  let iam: MotoIam
  let front: { endpoint: string; stop(): void }
  let user: AccessKey
  let powerless: AccessKey
  let roleArn: string
  let count = 0
  beforeAll(async () => {
    moto = await startMoto(programs.moto_server)
    front = await serve(inKmsWords(moto.endpoint))
    iam = new MotoIam(moto.endpoint)
    user = await iam.createUser('coffer', documentedPolicy())
    for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) vi.stubEnv(name, undefined)
    const nothing = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 's3:*', Resource: '*' }] }
    powerless = await iam.createUser('powerless', JSON.stringify(nothing))
    roleArn = await iam.createRole('coffer-role', documentedPolicy())
    await iam.enforce()
  })
  afterAll(() => {
    front.stop()
    return moto.stop()
  })

  const withKey = ({ accessKeyId, secretAccessKey }: AccessKey) => ({
    ...{ region: REGION, endpoint: front.endpoint, accessKeyId },
    secretAccessKeyFile: fileWith(secretAccessKey),
  })
  const expectToWork = async (connector: KmsConnector): Promise<void> => {
    const keyId = `k${count++}`
    await connector.createKey(keyId)
    const { plaintext, wrapped } = await connector.generateDataKey(keyId, { a: 'b' })
    expect((await connector.decrypt(wrapped, { a: 'b' })).equals(plaintext)).toBe(true)
  }

  it('an access key with the documented policy may do everything that Coffer does', async () => {
    setEnvironment({})
    const connector = await connect(withKey(user))
    await connector.selfTest()
    await connector.createKey('tour')
    const { plaintext, wrapped } = await connector.generateDataKey('tour', {})
    await connector.encrypt(plaintext, 'tour', {})
    await connector.rotateKey('tour')
    expect(await connector.rewrap(wrapped, {}, 'tour')).toMatchObject({ keyVersion: 2 })
    await connector.disableKey('tour')
    await connector.enableKey('tour')
    await connector.scheduleKeyDeletion('tour', 7)
    await connector.cancelKeyDeletion('tour')
    await connector.listKeys({ afterKeyId: '', limit: 10 })
  })

  it('a wrong secret, an unknown key and one without the policy may do nothing, and the error holds no secret', async () => {
    setEnvironment({})
    for (const key of [
      { ...user, secretAccessKey: 'very-secret-and-wrong' },
      { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'very-secret-and-wrong' },
      powerless,
    ]) {
      const connector = await connect(withKey(key))
      for (const call of [() => connector.selfTest(), () => connector.generateDataKey('k1', {})]) {
        const error = await call().catch((reason: unknown) => reason)
        expect(error).toMatchObject({ code: 'KMS_ACCESS_DENIED' })
        expect(textsOf(error)).not.toContain(key.secretAccessKey)
      }
    }
  })

  it('a secret that is replaced in its file is found without a restart', async () => {
    setEnvironment({})
    const path = fileWith('not-yet-the-right-one')
    const connector = await connect({ ...withKey(user), secretAccessKeyFile: path })
    await expect(connector.selfTest()).rejects.toMatchObject({ code: 'KMS_ACCESS_DENIED' })
    fileWith(user.secretAccessKey, path)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 6 * 60_000 })
    await expect(connector.selfTest()).resolves.toBeUndefined()
  })

  it('the environment gives an access key', async () => {
    setEnvironment({ AWS_ACCESS_KEY_ID: user.accessKeyId, AWS_SECRET_ACCESS_KEY: user.secretAccessKey })
    await expectToWork(await connect({ region: REGION, endpoint: front.endpoint }))
  })

  it('a profile of the shared files gives an access key and the region', async () => {
    const { accessKeyId, secretAccessKey } = user
    const credentials = `[vault]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}`
    setEnvironment({
      AWS_SHARED_CREDENTIALS_FILE: fileWith(credentials),
      AWS_CONFIG_FILE: fileWith(`[profile vault]\nregion = ${REGION}`),
      AWS_ACCESS_KEY_ID: powerless.accessKeyId,
      AWS_SECRET_ACCESS_KEY: powerless.secretAccessKey,
    })
    await expectToWork(await connect({ profile: 'vault', endpoint: front.endpoint }))
  })

  it('a web identity, as a pod on EKS has, takes a role', async () => {
    // The identity itself goes to STS in a call that nobody signs, and moto has no exception for it.
    await iam.enforce(1)
    setEnvironment({
      AWS_ROLE_ARN: roleArn,
      AWS_WEB_IDENTITY_TOKEN_FILE: fileWith('the.pods.token'),
      AWS_ENDPOINT_URL_STS: moto.endpoint,
    })
    await expectToWork(await connect({ region: REGION, endpoint: front.endpoint }))
  })

  it('a container, as on ECS, has credentials of its own, from a double of that endpoint', async () => {
    const credentials = await iam.sessionOf(roleArn)
    const { endpoint, stop } = await serve((request, response) => {
      const isRight = request.headers.authorization === 'the-containers-token'
      response.writeHead(isRight ? 200 : 403).end(isRight ? JSON.stringify(credentials) : '{}')
    })
    setEnvironment({
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${endpoint}/credentials`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN: 'the-containers-token',
    })
    await expectToWork(await connect({ region: REGION, endpoint: front.endpoint }))
    vi.stubEnv('AWS_CONTAINER_AUTHORIZATION_TOKEN', 'another-containers-token')
    const refused = await connect({ region: REGION, endpoint: front.endpoint, timeoutMs: 10_000 })
    await expect(refused.selfTest()).rejects.toMatchObject({ code: 'KMS_ACCESS_DENIED' })
    stop()
  })
})

describe('the aws connector without credentials', () => {
  it('is denied access', async () => {
    setEnvironment({})
    const connector = await connect({ region: REGION, endpoint: 'http://127.0.0.1:1' })
    await expect(connector.selfTest()).rejects.toMatchObject({ code: 'KMS_ACCESS_DENIED' })
  })

  it('does not wait for them any longer than for AWS', async () => {
    let asked = 0
    const { endpoint, stop } = await serve(() => void asked++)
    setEnvironment({ AWS_CONTAINER_CREDENTIALS_FULL_URI: endpoint })
    const connector = await connect({ region: REGION, endpoint: 'http://127.0.0.1:1', timeoutMs: 300 })
    await expect(connector.selfTest()).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
    expect(asked).toBeLessThanOrEqual(1)
    stop()
  })
})
