import { isCofferError } from '@coffer/errors'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { KeyCourier } from './courier.ts'
import { MetadataKey } from './metadata-key.ts'
import { generateObjectKey, openObjectKey, type SealContext, sealObjectKey } from './object-key.ts'
import { Secret } from './secret.ts'
import { newStreamHeader } from './stream-format.ts'
import { StreamOpener } from './stream-opener.ts'
import { StreamSealer } from './stream-sealer.ts'
import { openWhole, sealWhole } from './whole.ts'

/** What OpenSSL put out: keys that were derived or agreed, plaintext that was deciphered, its tag not checked yet, random bytes. */
const put = vi.hoisted(() => ({
  keys: [] as Uint8Array[],
  plain: [] as Uint8Array[],
  random: [] as Uint8Array[],
}))

vi.mock('node:crypto', async (importOriginal) => {
  const real = await importOriginal<typeof import('node:crypto')>()
  const kept = <Bytes extends Uint8Array>(list: Uint8Array[], bytes: Bytes): Bytes => {
    list.push(bytes)
    return bytes
  }
  /** A method of an object whose Buffers are kept. */
  const watch = (target: object, method: string, list: Uint8Array[]) => {
    const call: (...given: unknown[]) => unknown = Reflect.get(target, method).bind(target)
    return Object.assign(target, {
      [method]: (...given: unknown[]) => {
        const answer = call(...given)
        return answer instanceof Uint8Array ? kept(list, answer) : answer
      },
    })
  }
  return {
    ...real,
    hkdfSync: (...given: Parameters<typeof real.hkdfSync>) => {
      const derived = real.hkdfSync(...given)
      kept(put.keys, new Uint8Array(derived))
      return derived
    },
    randomFillSync: (bytes: Buffer) => kept(put.random, real.randomFillSync(bytes)),
    diffieHellman: (...given: Parameters<typeof real.diffieHellman>) =>
      kept(put.keys, real.diffieHellman(...given) as unknown as Buffer),
    createHmac: (...given: Parameters<typeof real.createHmac>) => watch(real.createHmac(...given), 'digest', put.keys),
    createDecipheriv: (...given: Parameters<typeof real.createDecipheriv>) =>
      watch(real.createDecipheriv(...given), 'update', put.plain),
  }
})

const CONTEXT: SealContext = { bucketId: 'b', key: 'k', versionId: 'v', algorithm: 'AES-256-GCM' }
const isBlank = (bytes: Uint8Array) => bytes.every((byte) => byte === 0)
const isWiped = (secret: Secret) => {
  try {
    return secret.lengthBytes < 0
  } catch (error) {
    return isCofferError(error, 'CRYPTO_SECRET_WIPED')
  }
}
/** The last byte is of a tag. */
function damaged(sealed: Uint8Array): Buffer {
  const bytes = Buffer.from(sealed)
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1)
  return bytes
}

let copies: () => Secret[]
beforeEach(() => {
  put.keys.length = 0
  put.plain.length = 0
  put.random.length = 0
  const copyOf = vi.spyOn(Secret, 'copyOf')
  copies = () => copyOf.mock.results.map(({ value }) => value as Secret)
})
afterEach(() => vi.restoreAllMocks())

describe('keys that were derived are wiped', () => {
  it('once an envelope is sealed, opened or refused', () => {
    const [objectKey, sealingKey] = [generateObjectKey('AES-256-GCM'), Secret.random(32)]
    const sealed = sealObjectKey(objectKey, sealingKey, CONTEXT)
    openObjectKey(sealed, sealingKey, CONTEXT)
    expect(() => openObjectKey(sealed, Secret.random(32), CONTEXT)).toThrow()
    expect(() => openObjectKey(damaged(sealed), sealingKey, CONTEXT)).toThrow()
    expect(put.keys).toHaveLength(4)
    expect(put.keys.every(isBlank)).toBe(true)
  })

  it('once a record is sealed, opened or refused', () => {
    const metadataKey = new MetadataKey(Secret.random(32))
    const own = put.keys.splice(0)
    const sealed = metadataKey.sealRecord(Buffer.from('record'), Buffer.of(1))
    metadataKey.openRecord(sealed, Buffer.of(1))
    expect(() => metadataKey.openRecord(sealed, Buffer.of(2))).toThrow()
    expect(put.keys).toHaveLength(3)
    expect(put.keys.every(isBlank)).toBe(true)
    expect(own.some(isBlank)).toBe(false)
    metadataKey.wipe()
    expect(own.every(isBlank)).toBe(true)
  })

  it('once a bucket’s metadata key has been taken apart, whether it was one or not', () => {
    const key = Secret.random(32)
    MetadataKey.take(key)
    expect(isWiped(key)).toBe(true)
    const tooShort = Secret.random(31)
    expect(() => MetadataKey.take(tooShort)).toThrow(expect.objectContaining({ code: 'CRYPTO_KEY_LENGTH' }))
    expect(isWiped(tooShort)).toBe(true)
  })

  it.each(['AES-256-GCM', 'AES-256-GCM-DUAL'] as const)('once a stream ends or is given up (%s)', (algorithm) => {
    const objectKey = generateObjectKey(algorithm)
    const layers = algorithm === 'AES-256-GCM' ? 1 : 2
    const sealed = sealWhole(objectKey, Buffer.from('whole'), { algorithm, partNumber: 0 })
    openWhole(objectKey, sealed, { partNumber: 0 })
    expect(() => openWhole(objectKey, damaged(sealed), { partNumber: 0 })).toThrow()
    const sealer = new StreamSealer(objectKey, newStreamHeader({ algorithm, partNumber: 0 }))
    const header = sealed.subarray(0, 48)
    const opener = new StreamOpener(objectKey, header, { plainTotalBytes: 5, expectedPartNumber: 0 })
    expect(put.keys.slice(-2 * layers).some(isBlank)).toBe(false)
    sealer.wipe()
    opener.wipe()
    expect(put.keys).toHaveLength(5 * layers)
    expect(put.keys.every(isBlank)).toBe(true)
    // The two halves of an object key.
    expect(copies()).toHaveLength(layers === 1 ? 0 : 10)
    expect(copies().every(isWiped)).toBe(true)
    expect(isWiped(objectKey)).toBe(false)
  })

  it('of parcels: what two sessions agreed on at once, what was made of it when the sessions are over', () => {
    const clock = { nowMs: 0 }
    const now = () => clock.nowMs
    const meshKey = Secret.random(32)
    const [sender, recipient] = [new KeyCourier(meshKey, { now }), new KeyCourier(meshKey, { now })]
    recipient.open(sender.seal(Secret.random(32), recipient.publicKey, 'p'), 'p')
    // Agreed and derived, by each of them.
    expect(put.keys.map(isBlank)).toEqual([true, false, true, false])
    clock.nowMs += 3_600_000
    expect(sender.publicKey).not.toEqual(recipient.publicKey)
    clock.nowMs += 600_000
    expect(sender.publicKey).not.toEqual(recipient.publicKey)
    expect(put.keys.every(isBlank)).toBe(true)
  })

  it('of parcels: those of the oldest sessions where there are too many, and none for who lacks the mesh key', () => {
    const meshKey = Secret.random(32)
    const [sender, recipient] = [new KeyCourier(meshKey), new KeyCourier(meshKey)]
    const parcel = sender.seal(Secret.random(32), recipient.publicKey, 'p')
    recipient.open(parcel, 'p')
    const [ofRecipient] = put.keys.splice(0).slice(3)
    const strangers = Array.from({ length: 1_030 }, () => new KeyCourier(Secret.random(32)).publicKey)
    for (const senderPublicKey of strangers) {
      const forged = { ...parcel, senderPublicKey }
      expect(() => recipient.open(forged, 'p')).toThrow()
    }
    // Two of each: what was agreed on, what was derived.
    expect(put.keys).toHaveLength(2_060)
    expect(put.keys.every(isBlank)).toBe(true)
    expect(ofRecipient && isBlank(ofRecipient)).toBe(false)
    for (const peer of strangers) recipient.seal(Secret.random(32), peer, 'p')
    expect(ofRecipient && isBlank(ofRecipient)).toBe(true)
  })
})

it('random bytes that became a salt are not left in the pool that they came from', () => {
  // A pool of 1024 bytes is filled at the latest now.
  const salts = Array.from({ length: 64 }, () =>
    newStreamHeader({ algorithm: 'AES-256-GCM', partNumber: 0 }).subarray(16),
  )
  const pools = new Set(put.random.filter(({ length }) => length === 1024))
  expect(pools.size).toBe(1)
  for (const pool of pools) for (const salt of salts) expect(Buffer.from(pool).includes(salt)).toBe(false)
})

it('plaintext that is refused is wiped, not left for the collector', () => {
  const [objectKey, sealingKey] = [generateObjectKey('AES-256-GCM'), Secret.random(32)]
  const dual = generateObjectKey('AES-256-GCM-DUAL')
  const metadataKey = new MetadataKey(Secret.random(32))
  const whole = sealWhole(objectKey, Buffer.from('whole'), { algorithm: 'AES-256-GCM', partNumber: 0 })
  const twice = sealWhole(dual, Buffer.from('twice'), { algorithm: 'AES-256-GCM-DUAL', partNumber: 0 })
  const courier = new KeyCourier(Secret.random(32))
  const parcel = courier.seal(Secret.random(32), courier.publicKey, 'p')
  for (const refused of [
    () => openObjectKey(damaged(sealObjectKey(objectKey, sealingKey, CONTEXT)), sealingKey, CONTEXT),
    () => metadataKey.openRecord(damaged(metadataKey.sealRecord(Buffer.from('record'), Buffer.of(1))), Buffer.of(1)),
    () => openWhole(objectKey, damaged(whole), { partNumber: 0 }),
    () => openWhole(dual, damaged(twice), { partNumber: 0 }),
    () => courier.open({ ...parcel, ciphertext: damaged(parcel.ciphertext) }, 'p'),
  ]) {
    expect(refused).toThrow()
  }
  expect(put.plain).toHaveLength(5)
  expect(put.plain.every(({ length }) => length > 0)).toBe(true)
  expect(put.plain.every(isBlank)).toBe(true)
})
