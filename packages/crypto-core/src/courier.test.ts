import { inspect } from 'node:util'
import { isCofferError } from '@coffer/errors'
import { describe, expect, it } from 'vitest'
import { KeyCourier, type KeyParcelSealed } from './courier.ts'
import { insecureExportKeyBytes } from './insecure-export.ts'
import { Secret } from './secret.ts'

const HOUR_MS = 60 * 60 * 1000
const MINUTE_MS = 60 * 1000
const withCode = (code: string) => expect.toSatisfy((error) => isCofferError(error, code))
const refused = withCode('CRYPTO_PARCEL_REFUSED')
const meshKey = Secret.random(32)

function couriers() {
  const clock = { nowMs: 1_700_000_000_000 }
  const options = { now: () => clock.nowMs }
  return { clock, sender: new KeyCourier(meshKey, options), recipient: new KeyCourier(meshKey, options) }
}

describe('a key parcel', () => {
  it('opens in the process that it was sealed for, there and back', () => {
    const { sender, recipient } = couriers()
    for (const sizeBytes of [32, 0, 1, 500]) {
      const secret = Secret.random(sizeBytes)
      const there = recipient.open(sender.seal(secret, recipient.publicKey, 'object-key'), 'object-key')
      const back = sender.open(recipient.seal(there, sender.publicKey, 'object-key'), 'object-key')
      expect(back.equals(secret)).toBe(true)
    }
  })

  it('opens for the process that sealed it to itself', () => {
    const { sender } = couriers()
    const secret = Secret.random(32)
    expect(sender.open(sender.seal(secret, sender.publicKey, 'p'), 'p').equals(secret)).toBe(true)
  })

  it('does not show what it carries', () => {
    const { sender, recipient } = couriers()
    const secret = Secret.random(32)
    const parcel = sender.seal(secret, recipient.publicKey, 'object-key')
    const bytes = Buffer.from(insecureExportKeyBytes(secret))
    expect(Buffer.from(parcel.ciphertext).includes(bytes)).toBe(false)
    expect(inspect(sender, { showHidden: true, depth: 9 })).not.toMatch(/agreed|privateKey/)
  })

  it('is another each time', () => {
    const { sender, recipient } = couriers()
    const secret = Secret.random(32)
    const [first, second] = [
      sender.seal(secret, recipient.publicKey, 'p'),
      sender.seal(secret, recipient.publicKey, 'p'),
    ]
    expect(Buffer.compare(first.nonce, second.nonce)).not.toBe(0)
    expect(Buffer.compare(first.ciphertext, second.ciphertext)).not.toBe(0)
  })

  it.each(['senderPublicKey', 'recipientPublicKey', 'nonce', 'ciphertext'] as const)(
    'is refused with any byte of its %s changed, or its last one missing',
    (field) => {
      const { sender, recipient } = couriers()
      const parcel = sender.seal(Secret.random(32), recipient.publicKey, 'p')
      for (let offset = 0; offset < parcel[field].length; offset++) {
        const changed = Buffer.from(parcel[field])
        changed[offset] = (changed[offset] ?? 0) ^ 1
        expect(() => recipient.open({ ...parcel, [field]: changed }, 'p')).toThrow(refused)
      }
      const shorter: KeyParcelSealed = { ...parcel, [field]: parcel[field].subarray(1) }
      expect(() => recipient.open(shorter, 'p')).toThrow(refused)
      expect(() => recipient.open({ ...parcel, [field]: new Uint8Array(0) }, 'p')).toThrow(refused)
    },
  )

  it('is refused for another purpose, and by another process', () => {
    const { sender, recipient } = couriers()
    const parcel = sender.seal(Secret.random(32), recipient.publicKey, 'object-key')
    expect(() => recipient.open(parcel, 'bucket-key')).toThrow(refused)
    expect(() => new KeyCourier(meshKey).open(parcel, 'object-key')).toThrow(refused)
    expect(() => sender.open(parcel, 'object-key')).toThrow(refused)
  })

  it('sent back to its sender with the roles turned does not open', () => {
    const { sender, recipient } = couriers()
    const parcel = sender.seal(Secret.random(32), recipient.publicKey, 'p')
    const turned = { ...parcel, senderPublicKey: parcel.recipientPublicKey, recipientPublicKey: parcel.senderPublicKey }
    expect(() => sender.open(turned, 'p')).toThrow(refused)
  })

  it('from someone who lacks the mesh key is refused, and one sealed to them stays shut', () => {
    const { sender, recipient } = couriers()
    const stranger = new KeyCourier(Secret.random(32))
    expect(() => recipient.open(stranger.seal(Secret.random(32), recipient.publicKey, 'p'), 'p')).toThrow(refused)
    // A man in the middle gives out a public key of his own: he agrees on X25519, but not on the mesh key.
    expect(() => stranger.open(sender.seal(Secret.random(32), stranger.publicKey, 'p'), 'p')).toThrow(refused)
  })

  it.each([
    ['zero', '00'.repeat(32)],
    ['one', `01${'00'.repeat(31)}`],
    ['of order eight', 'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800'],
  ])('for or from a public key of small order (%s) is refused', (_, hex) => {
    const { sender, recipient } = couriers()
    const smallOrder = Buffer.from(hex, 'hex')
    const parcel = sender.seal(Secret.random(32), recipient.publicKey, 'p')
    expect(() => sender.seal(Secret.random(32), smallOrder, 'p')).toThrow(refused)
    expect(() => recipient.open({ ...parcel, senderPublicKey: smallOrder }, 'p')).toThrow(refused)
  })
})

describe('sessions', () => {
  it('are renewed after an hour, and the one before opens parcels for ten minutes more', () => {
    const { clock, sender, recipient } = couriers()
    const publicKey = recipient.publicKey
    const parcel = sender.seal(Secret.random(32), publicKey, 'p')
    clock.nowMs += HOUR_MS - 1
    expect(recipient.publicKey).toBe(publicKey)
    clock.nowMs += 1
    expect(Buffer.compare(recipient.publicKey, publicKey)).not.toBe(0)
    clock.nowMs += 10 * MINUTE_MS - 1
    expect(recipient.open(parcel, 'p').lengthBytes).toBe(32)
    clock.nowMs += 1
    expect(() => recipient.open(parcel, 'p')).toThrow(refused)
  })

  it('that nobody used for hours are both renewed', () => {
    const { clock, sender, recipient } = couriers()
    const parcel = sender.seal(Secret.random(32), recipient.publicKey, 'p')
    clock.nowMs += 5 * HOUR_MS
    // The first use renews; from then on the old session has its ten minutes.
    expect(Buffer.compare(recipient.publicKey, parcel.recipientPublicKey)).not.toBe(0)
    clock.nowMs += 10 * MINUTE_MS
    expect(() => recipient.open(parcel, 'p')).toThrow(refused)
    const secret = Secret.random(32)
    expect(recipient.open(sender.seal(secret, recipient.publicKey, 'p'), 'p').equals(secret)).toBe(true)
  })

  it('hold with more peers than are remembered', () => {
    const { sender, recipient } = couriers()
    const peers = Array.from({ length: 1030 }, () => new KeyCourier(meshKey))
    const secret = Secret.random(32)
    for (const peer of peers) {
      expect(recipient.open(peer.seal(secret, recipient.publicKey, 'p'), 'p').equals(secret)).toBe(true)
    }
    expect(recipient.open(sender.seal(secret, recipient.publicKey, 'p'), 'p').equals(secret)).toBe(true)
  })
})

it('a courier needs a mesh key of 32 bytes', () => {
  expect(() => new KeyCourier(Secret.random(16))).toThrow(withCode('CRYPTO_KEY_LENGTH'))
})
