import { Secret } from '@coffer/crypto-core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { KmsConnector, RewrapItem, WrappedKey } from './kms-connector.ts'

/** A connector under test; `another` is a second instance on the same keys, as another process would have. */
export interface KmsFixture {
  readonly connector: KmsConnector
  readonly another: KmsConnector
  dispose(): Promise<void>
}

const DAY_MS = 24 * 3600 * 1000

/** What every KMS connector must keep, run against the real thing. */
export function kmsConnectorContract(name: string, open: () => Promise<KmsFixture>): void {
  describe(`${name} keeps the promises of a KMS connector`, () => {
    let fixture: KmsFixture
    const context = { purpose: 'test', bucket: 'b1' }

    beforeEach(async () => {
      fixture = await open()
      await fixture.connector.createKey('k1')
    })
    afterEach(() => fixture.dispose())

    it('gives back the data key that it wrapped', async () => {
      const { plaintext, wrapped } = await fixture.connector.generateDataKey('k1', context)
      expect(wrapped).toMatchObject({ keyId: 'k1', keyVersion: 1, connector: fixture.connector.name })
      expect((await fixture.another.decrypt(wrapped, context)).equals(plaintext)).toBe(true)
    })

    it('never gives the same data key twice', async () => {
      const first = await fixture.connector.generateDataKey('k1', context)
      const second = await fixture.connector.generateDataKey('k1', context)
      expect(first.plaintext.equals(second.plaintext)).toBe(false)
    })

    it('refuses another context, another key, another version and a changed byte', async () => {
      await fixture.connector.createKey('k2')
      const { wrapped } = await fixture.connector.generateDataKey('k1', context)
      await fixture.connector.rotateKey('k1')
      const changed = Uint8Array.from(wrapped.ciphertext)
      changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1
      const attempts = [
        [wrapped, { ...context, bucket: 'b2' }],
        [wrapped, {}],
        [{ ...wrapped, keyId: 'k2' }, context],
        [{ ...wrapped, keyVersion: 2 }, context],
        [{ ...wrapped, keyVersion: 99 }, context],
        [{ ...wrapped, ciphertext: changed }, context],
        [{ ...wrapped, ciphertext: new Uint8Array(0) }, context],
      ] as const
      for (const [candidate, candidateContext] of attempts) {
        await expect(fixture.connector.decrypt(candidate, candidateContext)).rejects.toMatchObject({
          code: 'KMS_CIPHERTEXT_REFUSED',
        })
      }
    })

    it('wraps under the new version at once after a rotation, in other processes too, and opens the old ones', async () => {
      const before = await fixture.connector.generateDataKey('k1', context)
      expect(await fixture.connector.rotateKey('k1')).toMatchObject({ currentVersion: 2 })
      const after = await fixture.another.generateDataKey('k1', context)
      expect(after.wrapped.keyVersion).toBe(2)
      expect((await fixture.another.decrypt(before.wrapped, context)).equals(before.plaintext)).toBe(true)
    })

    it('counts each of two rotations at once', async () => {
      await Promise.all([fixture.connector.rotateKey('k1'), fixture.another.rotateKey('k1')])
      expect(await fixture.connector.describeKey('k1')).toMatchObject({ currentVersion: 3 })
    })

    it('rewraps many at once, where it offers that: each by itself', async () => {
      const { rewrapMany } = fixture.connector
      if (rewrapMany === undefined) return
      await fixture.connector.createKey('k2')
      const first = await fixture.connector.generateDataKey('k1', context)
      const second = await fixture.connector.generateDataKey('k2', context)
      await fixture.connector.rotateKey('k1')
      const item: RewrapItem = { wrapped: first.wrapped, context }
      const other: RewrapItem = { wrapped: second.wrapped, context }
      const elsewhere = { ...item, context: { ...context, bucket: 'another' } }
      const unknown = { ...item, wrapped: { ...item.wrapped, keyVersion: 99 } }
      const outcomes = await rewrapMany.call(fixture.connector, [elsewhere, item, unknown, other], 'k1')
      expect(outcomes.map((outcome) => 'refused' in outcome && outcome.refused)).toEqual([
        'KMS_CIPHERTEXT_REFUSED',
        false,
        'KMS_CIPHERTEXT_REFUSED',
        false,
      ])
      for (const [index, { plaintext }] of [[1, first] as const, [3, second] as const]) {
        const outcome = outcomes[index]
        if (outcome === undefined || !('wrapped' in outcome)) throw new Error('wrapped anew')
        expect(outcome.wrapped).toMatchObject({ keyId: 'k1', keyVersion: 2 })
        expect((await fixture.another.decrypt(outcome.wrapped, context)).equals(plaintext)).toBe(true)
      }
      expect(await rewrapMany.call(fixture.connector, [], 'k1')).toEqual([])
      await fixture.connector.disableKey('k2')
      const refused = await rewrapMany.call(fixture.connector, [other], 'k1')
      expect(refused).toEqual([{ refused: 'KMS_KEY_DISABLED' }])
    })

    it('rewraps the same data key under the newest version or another key', async () => {
      await fixture.connector.createKey('k2')
      const { plaintext, wrapped } = await fixture.connector.generateDataKey('k1', context)
      await fixture.connector.rotateKey('k1')
      for (const [keyId, keyVersion] of [
        ['k1', 2],
        ['k2', 1],
      ] as const) {
        const rewrapped = await fixture.connector.rewrap(wrapped, context, keyId)
        expect(rewrapped).toMatchObject({ keyId, keyVersion })
        expect((await fixture.connector.decrypt(rewrapped, context)).equals(plaintext)).toBe(true)
      }
      await expect(fixture.connector.rewrap(wrapped, {}, 'k2')).rejects.toMatchObject({
        code: 'KMS_CIPHERTEXT_REFUSED',
      })
    })

    it('lists its keys in pages and describes them without a secret', async () => {
      await fixture.connector.createKey('k2')
      await fixture.connector.createKey('k3')
      const first = await fixture.connector.listKeys({ afterKeyId: '', limit: 2 })
      const rest = await fixture.connector.listKeys({ afterKeyId: 'k2', limit: 2 })
      expect([...first, ...rest].map(({ keyId }) => keyId)).toEqual(['k1', 'k2', 'k3'])
      expect(first[0]).toMatchObject({ state: 'enabled', currentVersion: 1 })
    })

    it('names what is wrong with a key id', async () => {
      await expect(fixture.connector.createKey('k1')).rejects.toMatchObject({ code: 'KMS_KEY_EXISTS' })
      await expect(fixture.connector.createKey('no/slash')).rejects.toMatchObject({ code: 'KMS_KEY_ID_INVALID' })
      await expect(fixture.connector.describeKey('none')).rejects.toMatchObject({ code: 'KMS_KEY_NOT_FOUND' })
      await expect(fixture.connector.generateDataKey('none', {})).rejects.toMatchObject({ code: 'KMS_KEY_NOT_FOUND' })
    })

    it('stops using a key that is disabled, in other processes too, until it is enabled', async () => {
      const { plaintext, wrapped } = await fixture.connector.generateDataKey('k1', context)
      expect(await fixture.connector.disableKey('k1')).toMatchObject({ keyId: 'k1', state: 'disabled' })
      for (const connector of [fixture.connector, fixture.another]) {
        expect(await connector.describeKey('k1')).toMatchObject({ state: 'disabled' })
        for (const use of usesOf(connector, wrapped)) {
          await expect(use()).rejects.toMatchObject({ code: 'KMS_KEY_DISABLED' })
        }
      }
      expect(await fixture.connector.enableKey('k1')).toMatchObject({ state: 'enabled' })
      expect((await fixture.another.decrypt(wrapped, context)).equals(plaintext)).toBe(true)
    })

    it('schedules a deletion, refuses the key from then on, and brings it back when the deletion is cancelled', async () => {
      const { plaintext, wrapped } = await fixture.connector.generateDataKey('k1', context)
      const scheduled = await fixture.connector.scheduleKeyDeletion('k1', 7)
      expect(scheduled.state).toBe('pending-deletion')
      expect(Math.abs((scheduled.deletionAt ?? 0) - Date.now() - 7 * DAY_MS)).toBeLessThan(DAY_MS)
      for (const use of usesOf(fixture.another, wrapped)) {
        await expect(use()).rejects.toMatchObject({ code: 'KMS_KEY_PENDING_DELETION' })
      }
      for (const change of [
        () => fixture.connector.enableKey('k1'),
        () => fixture.connector.disableKey('k1'),
        () => fixture.connector.scheduleKeyDeletion('k1', 8),
      ]) {
        await expect(change()).rejects.toMatchObject({ code: 'KMS_KEY_PENDING_DELETION' })
      }
      expect(await fixture.connector.cancelKeyDeletion('k1')).toMatchObject({ state: 'disabled' })
      await fixture.connector.enableKey('k1')
      expect((await fixture.connector.decrypt(wrapped, context)).equals(plaintext)).toBe(true)
    })

    it('refuses a waiting time of less than 7 or more than 30 days, and to cancel what was not scheduled', async () => {
      for (const days of [6, 31, 7.5, Number.NaN]) {
        const scheduling = fixture.connector.scheduleKeyDeletion('k1', days)
        await expect(scheduling).rejects.toMatchObject({ code: 'KMS_PENDING_DAYS_INVALID' })
      }
      await expect(fixture.connector.cancelKeyDeletion('k1')).rejects.toMatchObject({
        code: 'KMS_KEY_NOT_PENDING_DELETION',
      })
    })

    it('encrypts up to 4,096 given bytes', async () => {
      for (const size of [1, 32, 4096]) {
        const plaintext = Secret.random(size)
        const wrapped = await fixture.connector.encrypt(plaintext, 'k1', context)
        expect((await fixture.another.decrypt(wrapped, context)).equals(plaintext)).toBe(true)
      }
      await expect(fixture.connector.encrypt(Secret.random(4097), 'k1', context)).rejects.toMatchObject({
        code: 'KMS_PLAINTEXT_SIZE_INVALID',
      })
    })

    it('passes its own self-test', async () => {
      await expect(fixture.connector.selfTest()).resolves.toBeUndefined()
    })

    const usesOf = (connector: KmsConnector, wrapped: WrappedKey) => [
      () => connector.generateDataKey('k1', context),
      () => connector.encrypt(Secret.random(32), 'k1', context),
      () => connector.decrypt(wrapped, context),
      () => connector.rewrap(wrapped, context, 'k1'),
    ]
  })
}
