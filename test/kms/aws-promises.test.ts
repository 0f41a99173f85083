import type { KmsConnector } from '@coffer/kms'
import { kmsConnectorContract } from '@coffer/kms/contract'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { awsWorkbench } from './aws-connect.ts'
import { AwsDouble, serve } from './aws-double.ts'

const { connect, settingsFor, dispose } = awsWorkbench()
afterAll(dispose)

/** What runs here meets a double of AWS KMS, not moto: see there for what it adds. */
async function withDouble(settings: object = {}) {
  const double = new AwsDouble()
  const { endpoint, stop } = await serve(double.listener)
  afterAll(stop)
  const open = (more: object = {}) => connect({ ...settingsFor(endpoint), ...settings, ...more })
  return { double, endpoint, open, connector: await open() }
}

kmsConnectorContract('the aws connector, with a double of AWS that names key material', async () => {
  const { double, connector, open } = await withDouble()
  double.rotationMs = 100
  return { connector, another: await open(), dispose: () => connector.close() }
})

describe('the aws connector and the versions of a key', () => {
  let double: AwsDouble
  let connector: KmsConnector
  let open: (settings?: object) => Promise<KmsConnector>
  beforeEach(async () => {
    ;({ double, connector, open } = await withDouble())
    await connector.createKey('k1')
  })
  const awsKey = () => double.find('alias/coffer/k1')

  it('numbers each wrap by the material that AWS has used, with one call while nothing changes', async () => {
    await connector.generateDataKey('k1', {})
    double.actions.length = 0
    expect((await connector.generateDataKey('k1', {})).wrapped.keyVersion).toBe(1)
    expect(double.actions).toEqual(['GenerateDataKey'])
  })

  it('notices at once that AWS has rotated the key by itself', async () => {
    const before = await connector.generateDataKey('k1', { a: 'b' })
    double.rotate(awsKey())
    double.rotate(awsKey())
    expect((await connector.generateDataKey('k1', { a: 'b' })).wrapped.keyVersion).toBe(3)
    expect((await connector.decrypt(before.wrapped, { a: 'b' })).equals(before.plaintext)).toBe(true)
    const encrypted = await (await open()).encrypt(before.plaintext, 'k1', { a: 'b' })
    expect(encrypted.keyVersion).toBe(3)
    const { versions, currentVersion } = await connector.describeKey('k1')
    expect(currentVersion).toBe(3)
    expect(versions.map(({ version }) => version)).toEqual([1, 2, 3])
    expect(versions.map(({ createdAt }) => createdAt)).toEqual(versions.map(({ createdAt }) => createdAt).sort())
  })

  it('notices it when it encrypts or rewraps, too', async () => {
    const { wrapped, plaintext } = await connector.generateDataKey('k1', {})
    double.rotate(awsKey())
    expect(await connector.encrypt(plaintext, 'k1', {})).toMatchObject({ keyVersion: 2 })
    double.rotate(awsKey())
    expect(await connector.rewrap(wrapped, {}, 'k1')).toMatchObject({ keyVersion: 3 })
  })

  it('says that a rotation is done only when AWS has done it', async () => {
    double.rotationMs = 500
    const startedAt = performance.now()
    expect(await connector.rotateKey('k1')).toMatchObject({ currentVersion: 2 })
    expect(performance.now() - startedAt).toBeGreaterThan(450)
    double.rotationMs = 60_000
    const hurried = await open({ timeoutMs: 4_000 })
    const rotating = [hurried.rotateKey('k1'), hurried.rotateKey('k1')]
    const details = { keyId: 'k1', reason: 'rotation-in-progress' }
    const refused = { status: 'rejected', reason: { code: 'KMS_UNAVAILABLE', details } }
    expect(await Promise.allSettled(rotating)).toMatchObject([refused, refused])
  })

  it('does not take a rotation for done because AWS does not know of it yet', async () => {
    double.rotationMs = 400
    double.intercept = (action) => (action === 'GetKeyRotationStatus' ? { status: 200, body: '{}' } : undefined)
    expect(await connector.rotateKey('k1')).toMatchObject({ currentVersion: 2 })
    expect((await connector.generateDataKey('k1', {})).wrapped.keyVersion).toBe(2)
  })

  it('refuses a version that is not the one it wrapped under, whatever the ciphertext says', async () => {
    await connector.rotateKey('k1')
    const { wrapped } = await connector.generateDataKey('k1', {})
    for (const keyVersion of [1, 3, 0, -2, Number.NaN]) {
      const opening = connector.decrypt({ ...wrapped, keyVersion }, {})
      await expect(opening).rejects.toMatchObject({ code: 'KMS_CIPHERTEXT_REFUSED' })
    }
  })

  it('takes no context that has the names of its own fields', async () => {
    for (const field of ['coffer:key', 'coffer:key-version']) {
      const wrapping = connector.generateDataKey('k1', { [field]: '1' })
      await expect(wrapping).rejects.toMatchObject({ code: 'KMS_NOT_SUPPORTED' })
    }
  })

  it('never gets to see the data key that it rewraps', async () => {
    const { wrapped } = await connector.generateDataKey('k1', {})
    await connector.createKey('k2')
    double.actions.length = 0
    await connector.rewrap(wrapped, {}, 'k2')
    expect(double.actions.filter((action) => action !== 'DescribeKey' && action !== 'ListKeyRotations')).toEqual([
      'ReEncrypt',
    ])
  })
})

describe('the aws connector and keys that are not as it needs them', () => {
  it('leaves one key and one alias where two create the same at the same time', async () => {
    const { double, connector, open } = await withDouble()
    const another = await open()
    // Neither may find the other's alias before it makes its own key.
    const bothMake = Promise.withResolvers<void>()
    let makerCount = 0
    double.hold = async (action) => {
      if (action !== 'CreateKey') return
      makerCount += 1
      if (makerCount === 2) bothMake.resolve()
      await bothMake.promise
    }
    const made = await Promise.allSettled([connector.createKey('k1'), another.createKey('k1')])
    const refused = made.filter((result) => result.status === 'rejected')
    expect(refused.map(({ reason }) => reason.code)).toEqual(['KMS_KEY_EXISTS'])
    expect([...double.keys.values()].map(({ state }) => state).sort()).toEqual(['Enabled', 'PendingDeletion'])
    expect(double.find('alias/coffer/k1').state).toBe('Enabled')
  })

  it('waits until AWS knows a key that it has just made', async () => {
    const { double, connector } = await withDouble()
    let unknownCount = 2
    double.intercept = (action) => {
      if (action !== 'CreateAlias' || unknownCount-- <= 0) return undefined
      return { status: 400, body: '{"__type":"NotFoundException"}' }
    }
    expect(await connector.createKey('k1')).toMatchObject({ keyId: 'k1', state: 'enabled', currentVersion: 1 })
    expect(double.keys.size).toBe(1)
  })

  it('refuses a key for signing, and does not list it', async () => {
    const { double, connector } = await withDouble()
    await connector.createKey('k1')
    const createSigning = { KeySpec: 'ECC_NIST_P256' }
    double.intercept = (action, input) => {
      if (action === 'CreateKey') Object.assign(input, createSigning)
      return undefined
    }
    await connector.createKey('signing')
    await expect(connector.generateDataKey('signing', {})).rejects.toMatchObject({ code: 'KMS_NOT_SUPPORTED' })
    await expect(connector.createKey('signing')).rejects.toMatchObject({ code: 'KMS_KEY_EXISTS' })
    const listed = await connector.listKeys({ afterKeyId: '', limit: 10 })
    expect(listed.map(({ keyId }) => keyId)).toEqual(['k1'])
  })

  it('finds an alias that has been given to another key, and opens nothing with that', async () => {
    const { double, connector } = await withDouble()
    await connector.createKey('k1')
    await connector.createKey('k2')
    await connector.rotateKey('k1')
    const { wrapped } = await connector.generateDataKey('k1', {})
    double.aliases.set('alias/coffer/k1', double.find('alias/coffer/k2').id)
    await expect(connector.decrypt(wrapped, {})).rejects.toMatchObject({ code: 'KMS_CIPHERTEXT_REFUSED' })
    expect((await connector.generateDataKey('k1', {})).wrapped.keyVersion).toBe(1)
  })

  it.each([
    ['Disabled', 'KMS_KEY_DISABLED'],
    ['PendingImport', 'KMS_KEY_DISABLED'],
    ['PendingDeletion', 'KMS_KEY_PENDING_DELETION'],
    ['Unavailable', 'KMS_UNAVAILABLE'],
    ['Creating', 'KMS_UNAVAILABLE'],
  ])('says of a key in the state %s: %s', async (state, code) => {
    const { double, connector } = await withDouble()
    await connector.createKey('k1')
    await connector.createKey('k2')
    const { wrapped } = await connector.generateDataKey('k1', {})
    await connector.generateDataKey('k2', {})
    double.find('alias/coffer/k1').state = state
    for (const use of [
      () => connector.generateDataKey('k1', {}),
      () => connector.decrypt(wrapped, {}),
      () => connector.rewrap(wrapped, {}, 'k2'),
      () => connector.rotateKey('k1'),
    ]) {
      await expect(use()).rejects.toMatchObject({ code })
    }
    if (code === 'KMS_UNAVAILABLE') return
    const moving = connector.rewrap(wrapped, {}, 'k2')
    await expect(moving).rejects.toMatchObject({ code, details: { keyId: 'k1' } })
  })
})
