import { Secret } from '@coffer/crypto-core'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { DayKeys } from './signing-key.ts'

const scope = { accessKeyId: 'AKIAEXAMPLE', date: '20260102', region: 'us-east-1', service: 's3' }
const secretOf = async () => 'secret'

afterEach(() => vi.restoreAllMocks())

describe('the day keys of an access key', () => {
  it('are derived once, and each who asks has a copy of its own', async () => {
    const keys = new DayKeys()
    const asked = vi.fn(secretOf)
    const first = await keys.find(scope, asked)
    first?.wipe()
    expect((await keys.find(scope, asked))?.lengthBytes).toBe(32)
    expect(asked).toHaveBeenCalledTimes(1)
  })

  it('are others for each day, region, service and access key', async () => {
    const keys = new DayKeys()
    const [one, ...others] = await Promise.all(
      [{}, { date: '20260103' }, { region: 'eu-west-1' }, { service: 'kms' }, { accessKeyId: 'AKIAOTHER' }].map(
        (change) =>
          keys.find({ ...scope, ...change }, async () => ('accessKeyId' in change ? 'other secret' : 'secret')),
      ),
    )
    for (const other of others) expect(one && other?.equals(one)).toBe(false)
  })

  it('are wiped when the key is forgotten, and where there are too many', async () => {
    const keys = new DayKeys()
    const take = vi.spyOn(Secret, 'take')
    for (let day = 10; day < 27; day++) await keys.find({ ...scope, date: `202601${day}` }, secretOf)
    const derived = take.mock.results.map(({ value }) => value as Secret)
    const isWiped = (secret: Secret | undefined) => {
      try {
        return secret?.lengthBytes === 0
      } catch {
        return true
      }
    }
    expect(derived.map(isWiped)).toEqual([...Array(16).fill(true), false])
    keys.forget(scope.accessKeyId)
    expect(derived.every(isWiped)).toBe(true)
  })
})
