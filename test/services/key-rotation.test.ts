import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type ServiceProcess, startServices, temporaryDirectory } from './one-process.ts'

const DAY_MS = 24 * 3600 * 1000

describe('keys that rotate by themselves', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>
  let services: ServiceProcess

  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    directory = await temporaryDirectory()
    services = await startServices(directory.path)
    await services.mesh.use('kms').createKey('k')
  })
  afterEach(async () => {
    vi.useRealTimers()
    await services.stop()
    await directory.remove()
  })

  const pass = (days: number) => vi.setSystemTime(Date.now() + days * DAY_MS)

  it('do so once in each period, and say which versions that made', async () => {
    const kms = services.mesh.use('kms')
    await kms.setRotation('k', 90)
    pass(89)
    expect(await kms.rotateDueKeys()).toEqual({ rotated: [], failed: [] })
    await kms.rotateKey('k')
    pass(1)
    expect(await kms.rotateDueKeys()).toEqual({ rotated: ['local/k'], failed: [] })
    expect(await kms.rotateDueKeys()).toEqual({ rotated: [], failed: [] })
    expect(await kms.describeKey('k')).toMatchObject({ currentVersion: 3 })
    expect((await kms.describeSettings('k')).automaticVersions).toEqual([3])
    pass(90)
    expect(await kms.rotateDueKeys()).toEqual({ rotated: ['local/k'], failed: [] })
    await kms.setRotation('k', undefined)
    pass(900)
    expect(await kms.rotateDueKeys()).toEqual({ rotated: [], failed: [] })
    expect(await kms.describeSettings('k')).toMatchObject({ automaticVersions: [3, 4] })
  })

  it('are rotated once only, though a run was cut short after the rotation', async () => {
    const kms = services.mesh.use('kms')
    await kms.setRotation('k', 90)
    pass(90)
    await kms.rotateKey('k')
    await kms.rotateDueKeys()
    expect(await kms.describeKey('k')).toMatchObject({ currentVersion: 2 })
    expect((await kms.describeSettings('k')).automaticVersions).toEqual([2])
  })

  it('wait while they are disabled, and are rotated when they are enabled again', async () => {
    const kms = services.mesh.use('kms')
    await kms.setRotation('k', 90)
    await kms.disableKey('k')
    pass(200)
    expect(await kms.rotateDueKeys()).toEqual({ rotated: [], failed: [] })
    await kms.enableKey('k')
    expect(await kms.rotateDueKeys()).toEqual({ rotated: ['local/k'], failed: [] })
    // The next one a period from now, not at once for each that was missed.
    expect(await kms.rotateDueKeys()).toEqual({ rotated: [], failed: [] })
    const { rotation } = await kms.describeSettings('k')
    expect(rotation?.nextAt).toBeGreaterThan(Date.now())
  })

  it('do not keep others from being rotated when one cannot be', async () => {
    const kms = services.mesh.use('kms')
    await kms.createKey('a')
    for (const key of ['a', 'k']) await kms.setRotation(key, 90)
    pass(90)
    await services.store.deleteRecord('keys', 'key/a')
    expect(await kms.rotateDueKeys()).toEqual({ rotated: ['local/k'], failed: ['local/a'] })
  })

  it('keep description and tags beside the schedule, whoever changes them at the same time', async () => {
    const kms = services.mesh.use('kms')
    await Promise.all([
      kms.setDescription('k', 'of payments'),
      kms.tagKey('k', [{ key: 'team', value: 'blue' }]),
      kms.tagKey('k', [{ key: 'cost', value: '7' }]),
      kms.setRotation('k', 365),
    ])
    await kms.tagKey('k', [{ key: 'team', value: 'green' }])
    expect(await kms.describeSettings('k')).toMatchObject({
      description: 'of payments',
      tags: [
        { key: 'cost', value: '7' },
        { key: 'team', value: 'green' },
      ],
      rotation: { periodDays: 365 },
    })
    await kms.untagKey('k', ['team', 'unknown'])
    expect((await kms.describeSettings('k')).tags).toEqual([{ key: 'cost', value: '7' }])
    const tags = Array.from({ length: 50 }, (_, index) => ({ key: `t${index}`, value: '' }))
    await expect(kms.tagKey('k', tags)).rejects.toMatchObject({ code: 'KMS_LIMIT_EXCEEDED' })
    await expect(kms.tagKey('nothing', tags)).rejects.toMatchObject({ code: 'KMS_KEY_NOT_FOUND' })
  })
})
