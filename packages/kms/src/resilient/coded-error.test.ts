import { inspect } from 'node:util'
import { CofferError } from '@coffer/errors'
import { describe, expect, it } from 'vitest'
import { KMS_ERRORS, type KmsErrorCode, kmsError } from '../errors.ts'
import { kmsThat, OPERATIONS, start } from './testing/scripted-kms.ts'

describe('a refusal', () => {
  const refusals = (Object.keys(KMS_ERRORS) as KmsErrorCode[]).filter((code) => code !== 'KMS_UNAVAILABLE')

  it.each(refusals)('%s comes through as it is and is never asked about again', async (code) => {
    const refusal = kmsError(code, { keyId: 'k1' })
    for (const operation of OPERATIONS) {
      const { kms, timing, asked } = kmsThat(() => Promise.reject(refusal))
      const call = start(kms, operation)
      await timing.pass(20_000)
      expect((await call).error).toBe(refusal)
      expect(asked).toHaveLength(1)
    }
  })

  it('of another package comes through as well', async () => {
    const refusal = new CofferError({ code: 'META_RECORD_CHANGED', message: 'changed' })
    const { kms, asked } = kmsThat(() => Promise.reject(refusal))
    expect((await start(kms, 'decrypt')).error).toBe(refusal)
    expect(asked).toHaveLength(1)
  })

  it('by a plugin with an error class of its own stays that refusal, and of its text nothing is kept', async () => {
    const foreign = Object.assign(new Error('password hunter2'), { code: 'KMS_CIPHERTEXT_REFUSED', details: 'hunter2' })
    const { kms, timing, asked } = kmsThat(() => Promise.reject(foreign))
    const call = start(kms, 'decrypt')
    await timing.pass(20_000)
    const { error } = await call
    expect(error).toMatchObject({ code: 'KMS_CIPHERTEXT_REFUSED', message: KMS_ERRORS.KMS_CIPHERTEXT_REFUSED })
    expect(asked).toHaveLength(1)
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('hunter2')
  })

  it('is an answer: a thousand of them leave the KMS in reach', async () => {
    const { kms, asked } = kmsThat(() => Promise.reject(kmsError('KMS_CIPHERTEXT_REFUSED')))
    for (let call = 0; call < 1_000; call++) await start(kms, 'decrypt')
    expect(asked).toHaveLength(1_000)
  })

  it('after an outage stays a refusal', async () => {
    const { kms, timing, asked } = kmsThat((_, attempt) =>
      Promise.reject(kmsError(attempt === 1 ? 'KMS_UNAVAILABLE' : 'KMS_CIPHERTEXT_REFUSED')),
    )
    const call = start(kms, 'decrypt')
    await timing.pass(20_000)
    expect((await call).error).toMatchObject({ code: 'KMS_CIPHERTEXT_REFUSED' })
    expect(asked).toHaveLength(2)
  })
})

describe('an error that is not of Coffer', () => {
  const SECRET = 'hunter2'
  const leaky = Object.assign(new Error(`POST {"plaintext":"${SECRET}"}`, { cause: SECRET }), {
    code: 'ECONNREFUSED',
    name: SECRET,
    request: { body: SECRET },
  })
  const rubbish: [string, () => unknown][] = [
    ['a client library’s error', () => leaky],
    ['one that names itself', () => Object.assign(new Error(SECRET), { code: SECRET })],
    ['one with the name of an inherited property', () => ({ code: 'toString', message: SECRET })],
    ['one with an object for a code', () => ({ code: { toString: () => 'KMS_CIPHERTEXT_REFUSED' } })],
    ['several in one', () => new AggregateError([leaky], SECRET)],
    ['a string', () => SECRET],
    ['undefined', () => undefined],
    ['null', () => null],
    ['a symbol', () => Symbol(SECRET)],
    [
      'an object that fights',
      () =>
        new Proxy(
          {},
          {
            get: (_, property) => {
              if (property === 'then') return undefined
              throw leaky
            },
          },
        ),
    ],
  ]

  it.each(rubbish)('%s becomes KMS_UNAVAILABLE, and nothing of it is seen', async (_, make) => {
    const ways = [
      () => Promise.reject(make()),
      () => {
        throw make()
      },
    ]
    for (const way of ways) {
      for (const operation of OPERATIONS) {
        const { kms, timing } = kmsThat(way)
        const call = start(kms, operation)
        await timing.pass(20_000)
        const { error } = await call
        expect(error).toBeInstanceOf(CofferError)
        expect(error?.toJSON()).toEqual({
          code: 'KMS_UNAVAILABLE',
          message: KMS_ERRORS.KMS_UNAVAILABLE,
          details: { connector: 'far', operation, reason: 'failed-without-code' },
        })
        expect(error).not.toHaveProperty('cause')
        expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(SECRET)
      }
    }
  })

  it('is tried again like any outage', async () => {
    const { kms, timing, asked } = kmsThat((_, attempt) => (attempt <= 2 ? Promise.reject(leaky) : 'answer'))
    const call = start(kms, 'decrypt')
    await timing.pass(1_000)
    expect((await call).value).toBe('answer')
    expect(asked).toHaveLength(3)
  })

  it('counts as a failure of the KMS: five in a row, and it is not asked any more', async () => {
    const { kms, asked } = kmsThat(() => Promise.reject(leaky))
    for (let failure = 0; failure < 8; failure++) await start(kms, 'rotateKey')
    expect(asked).toHaveLength(5)
  })
})
