import { awsConnector } from '@coffer/kms/connectors/aws'
import { afterAll, describe, expect, it } from 'vitest'
import { freePort } from '../harness/free-port.ts'
import { awsWorkbench, textsOf } from './aws-connect.ts'
import { AwsDouble, serve } from './aws-double.ts'
import { misbehavingService } from './cloud-failures.ts'
import { FaultyProxy } from './faulty-proxy.ts'

const { connect, settingsFor, dispose } = awsWorkbench()
afterAll(dispose)

const stops: (() => void)[] = []
afterAll(() => {
  for (const stop of stops) stop()
})

const HIDDEN = 'hidden-in-an-answer'

/** A connector with a key `k1`, and a double of AWS that from then on answers to `action` what it is given. */
async function answering(answer: { status: number; body: string }, action = 'GenerateDataKey') {
  const double = new AwsDouble()
  const { endpoint, stop } = await serve(double.listener)
  afterAll(stop)
  const connector = await connect(settingsFor(endpoint))
  await connector.createKey('k1')
  double.intercept = (asked) => (asked === action ? answer : undefined)
  return { connector, double }
}

const refusalOf = (call: Promise<unknown>): Promise<unknown> => call.then(String, (reason: unknown) => reason)

describe('the aws connector and what AWS answers', () => {
  it.each([
    ['NotFoundException', 'KMS_KEY_NOT_FOUND'],
    ['DisabledException', 'KMS_KEY_DISABLED'],
    ['InvalidKeyUsageException', 'KMS_NOT_SUPPORTED'],
    ['ValidationException', 'KMS_NOT_SUPPORTED'],
    ['LimitExceededException', 'KMS_NOT_SUPPORTED'],
    ['InvalidArnException', 'KMS_OPTIONS_INVALID'],
    ['AccessDeniedException', 'KMS_ACCESS_DENIED'],
    ['UnrecognizedClientException', 'KMS_ACCESS_DENIED'],
    ['InvalidSignatureException', 'KMS_ACCESS_DENIED'],
    ['ExpiredTokenException', 'KMS_ACCESS_DENIED'],
    ['MissingAuthenticationTokenException', 'KMS_ACCESS_DENIED'],
    ['ThrottlingException', 'KMS_UNAVAILABLE'],
    ['KMSInternalException', 'KMS_UNAVAILABLE'],
    ['KMSInvalidStateException', 'KMS_UNAVAILABLE'],
    ['DependencyTimeoutException', 'KMS_UNAVAILABLE'],
    ['KeyUnavailableException', 'KMS_UNAVAILABLE'],
    [`Made up: ${HIDDEN}`, 'KMS_UNAVAILABLE'],
  ])('takes %s for %s, asks once, and tells nothing more of the answer', async (name, code) => {
    const body = JSON.stringify({ __type: `com.amazonaws.kms#${name}`, message: HIDDEN, Plaintext: HIDDEN })
    const { connector, double } = await answering({ status: 400, body })
    double.actions.length = 0
    const error = await refusalOf(connector.generateDataKey('k1', {}))
    expect(error).toMatchObject({ code, details: { keyId: 'k1' } })
    expect(textsOf(error)).not.toContain(HIDDEN)
    expect(double.actions.filter((action) => action === 'GenerateDataKey')).toEqual(['GenerateDataKey'])
  })

  it.each([
    ['InvalidCiphertextException', 'KMS_CIPHERTEXT_REFUSED'],
    ['IncorrectKeyException', 'KMS_CIPHERTEXT_REFUSED'],
  ])('takes %s, when it decrypts or rewraps, for %s', async (name, code) => {
    const { connector, double } = await answering({ status: 400, body: '' }, 'none')
    const { wrapped } = await connector.generateDataKey('k1', {})
    double.intercept = (action) =>
      action === 'Decrypt' || action === 'ReEncrypt' ? { status: 400, body: `{"__type":"${name}"}` } : undefined
    await expect(connector.decrypt(wrapped, {})).rejects.toMatchObject({ code })
    await expect(connector.rewrap(wrapped, {}, 'k1')).rejects.toMatchObject({ code })
    const tooLong = { ...wrapped, ciphertext: new Uint8Array(6145) }
    await expect(connector.decrypt(tooLong, {})).rejects.toMatchObject({ code: 'KMS_CIPHERTEXT_REFUSED' })
  })

  it('says why a key cannot be rotated any more', async () => {
    for (const name of ['LimitExceededException', 'UnsupportedOperationException']) {
      const { connector } = await answering({ status: 400, body: `{"__type":"${name}"}` }, 'RotateKeyOnDemand')
      await expect(connector.rotateKey('k1')).rejects.toMatchObject({
        code: 'KMS_NOT_SUPPORTED',
        details: { keyId: 'k1', awsError: name },
      })
    }
  })

  it.each([
    [200, HIDDEN],
    [200, '{}'],
    [200, '[]'],
    [200, `{"Plaintext":"${Buffer.from(HIDDEN).toString('base64')}","CiphertextBlob":"AAAA"}`],
    [200, `{"Plaintext":"${Buffer.alloc(32).toString('base64')}","CiphertextBlob":"AAAA","KeyMaterialId":"unknown"}`],
    [200, `{"Plaintext":["${HIDDEN}"],"CiphertextBlob":7}`],
    [307, `<html>${HIDDEN}</html>`],
    [403, `<html>${HIDDEN}</html>`],
    [404, `<html>${HIDDEN}</html>`],
    [502, ''],
  ])('(%i %s) is not from AWS: unavailable', async (status, body) => {
    const { connector } = await answering({ status, body })
    const error = await refusalOf(connector.generateDataKey('k1', {}))
    expect(error).toMatchObject({ code: 'KMS_UNAVAILABLE' })
    expect(textsOf(error)).not.toContain(HIDDEN)
  })

  misbehavingService(async () => {
    const { endpoint, stop } = await serve(new AwsDouble().listener)
    const proxy = await FaultyProxy.before(endpoint)
    stops.push(stop, () => proxy.stop())
    const settings = settingsFor(proxy.address)
    return { connect: (timeoutMs) => connect({ ...settings, timeoutMs }), server: proxy }
  })

  it('asks for no page without an end', async () => {
    const body = '{"Aliases":[],"Truncated":true,"NextMarker":"again"}'
    const { connector } = await answering({ status: 200, body }, 'ListAliases')
    const listing = connector.listKeys({ afterKeyId: '', limit: 10 })
    await expect(listing).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
  })
})

describe('the aws connector and an AWS that does not answer', () => {
  it('gives up after the time-out, and at once where nobody listens', async () => {
    let asked = 0
    const { endpoint, stop } = await serve(() => void asked++)
    const slow = await connect({ ...settingsFor(endpoint), timeoutMs: 300 })
    const calls = [() => slow.selfTest(), () => slow.createKey('k1'), () => slow.generateDataKey('k1', {})]
    for (const call of calls) await expect(call()).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
    // Each is over after one time-out: not tried again. None where a request was given up on its way.
    expect(asked).toBeLessThanOrEqual(calls.length)
    stop()
    const nobody = await connect(settingsFor(`http://127.0.0.1:${await freePort()}`))
    await expect(nobody.selfTest()).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
  })

  it('gives up an answer that does not end', async () => {
    const { endpoint, stop } = await serve((_, response) => void response.writeHead(200).write('{"Aliases":['))
    const connector = await connect({ ...settingsFor(endpoint), timeoutMs: 300 })
    await expect(connector.selfTest()).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
    stop()
  })

  it('has no more connections than it may', async () => {
    let [underWay, most] = [0, 0]
    const asManyAsMay = Promise.withResolvers<void>()
    const { endpoint, stop } = await serve(async (_, response) => {
      most = Math.max(most, ++underWay)
      if (most === 2) asManyAsMay.resolve()
      await asManyAsMay.promise
      setTimeout(() => {
        underWay--
        response.end('{"Aliases":[]}')
      }, 20)
    })
    const connector = await connect({ ...settingsFor(endpoint), maxSockets: 2 })
    await Promise.all(Array.from({ length: 10 }, () => connector.selfTest()))
    expect(most).toBe(2)
    stop()
  })
})

describe('the options of the aws connector', () => {
  it.each([
    [{ endpoint: 'http://kms.example.org' }, 'https'],
    [{ regoin: 'eu-central-1' }, 'regoin'],
    [{ accessKeyId: 'AKIAIOSFODNN7EXAMPLE' }, 'secretAccessKeyFile'],
    [{ accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKeyFile: 'x', profile: 'y' }, 'profile'],
    [{ secretAccessKey: 'never-in-the-configuration' }, 'secretAccessKey'],
    [{ keyPrefix: 'aws/' }, 'keyPrefix'],
    [{ keyPrefix: 'co.ffer' }, 'keyPrefix'],
    [{ keys: { archive: 'my key' } }, 'archive'],
    [{ keys: { 'arch/ive': 'alias/archive' } }, 'arch/ive'],
    [{ timeoutMs: 1 }, 'timeoutMs'],
    [{ maxSockets: 0 }, 'maxSockets'],
  ])('are not %j', (settings, word) => {
    const parsed = awsConnector.options.safeParse(settings)
    expect(parsed.success).toBe(false)
    expect(JSON.stringify(parsed.error?.issues)).toContain(word)
    expect(JSON.stringify(parsed.error?.issues)).not.toContain('never-in-the-configuration')
  })

  it('need no more than a region, which the environment may give', async () => {
    const { AWS_REGION, AWS_CONFIG_FILE } = process.env
    process.env.AWS_CONFIG_FILE = '/nonexistent'
    delete process.env.AWS_REGION
    await expect(connect({})).rejects.toMatchObject({ code: 'KMS_OPTIONS_INVALID', details: { option: 'region' } })
    process.env.AWS_REGION = 'eu-west-1'
    await expect(connect({})).resolves.toMatchObject({ name: 'aws' })
    for (const [name, value] of Object.entries({ AWS_REGION, AWS_CONFIG_FILE })) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  })

  it('name files that are there', async () => {
    const missing = { region: 'eu-central-1', caFile: '/nonexistent/ca.pem' }
    await expect(connect(missing)).rejects.toMatchObject({ code: 'KMS_OPTIONS_INVALID', details: { option: 'caFile' } })
    const access = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKeyFile: '/nonexistent/secret' }
    const connector = await connect({ region: 'eu-central-1', endpoint: 'http://127.0.0.1:1', ...access })
    await expect(connector.selfTest()).rejects.toMatchObject({
      code: 'KMS_OPTIONS_INVALID',
      details: { option: 'secretAccessKeyFile' },
    })
  })
})
