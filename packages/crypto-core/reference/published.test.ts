import { createCipheriv } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { algorithmNamed, type SingleLayerAlgorithm } from '../src/algorithms.ts'
import { expandKey, extractAndExpand } from '../src/derive.ts'
import { Secret } from '../src/secret.ts'
import { openSegment, segmentCipher } from '../src/segment-cipher.ts'
import { aeadOpen, aeadSeal, expand, hmac, publicKeyOf, x25519 } from './reference.ts'

function published<Name extends string>(file: string): readonly Record<Name | 'name', string>[] {
  const text = readFileSync(new URL(`../vectors/${file}`, import.meta.url), 'utf8')
  return (JSON.parse(text) as { vectors: Record<Name | 'name', string>[] }).vectors
}

const hex = (text: string): Buffer => Buffer.from(text, 'hex')

describe('HKDF with SHA-256 (RFC 5869, appendix A)', () => {
  const vectors = published<'ikm' | 'salt' | 'info' | 'prk' | 'okm'>('rfc5869.json')

  it.each(vectors)('extracts and expands $name', ({ ikm, salt, info, okm }) => {
    expect(extractAndExpand(hex(ikm), hex(salt), hex(info), okm.length / 2).toString('hex')).toBe(okm)
  })

  it.each(vectors)('expands the first 32 bytes of $name from its pseudorandom key', ({ prk, info, okm }) => {
    expect(expandKey(Secret.take(hex(prk)), hex(info)).toString('hex')).toBe(okm.slice(0, 64))
    expect(expand(hex(prk), hex(info)).toString('hex')).toBe(okm.slice(0, 64))
  })

  it.each(vectors)('the HMAC of the reference extracts $name', ({ ikm, salt, prk }) => {
    expect(hmac(hex(salt), hex(ikm)).toString('hex')).toBe(prk)
  })
})

describe.each([
  ['AES-256-GCM', 'gcm-spec.json'],
  ['CHACHA20-POLY1305', 'rfc8439.json'],
] as const)('%s', (name: SingleLayerAlgorithm, file) => {
  const vectors = published<'key' | 'nonce' | 'aad' | 'plain' | 'sealed'>(file)

  it.each(vectors)('as the algorithm table names it is that of $name', ({ key, nonce, aad, plain, sealed }) => {
    const row = algorithmNamed(name)
    expect([hex(key).length, hex(nonce).length]).toEqual([row.keyBytes, row.nonceBytes])
    const cipher = createCipheriv(row.nodeName as 'chacha20-poly1305', hex(key), hex(nonce), {
      authTagLength: row.tagBytes,
    })
    cipher.setAAD(hex(aad), { plaintextLength: plain.length / 2 })
    const ciphertext = Buffer.concat([cipher.update(hex(plain)), cipher.final(), cipher.getAuthTag()])
    expect(ciphertext.toString('hex')).toBe(sealed)
  })

  it.each(vectors)('of the reference seals and opens $name', ({ key, nonce, aad, plain, sealed }) => {
    expect(aeadSeal(name, hex(key), hex(nonce), hex(aad), hex(plain)).toString('hex')).toBe(sealed)
    expect(aeadOpen(name, hex(key), hex(nonce), hex(aad), hex(sealed)).toString('hex')).toBe(plain)
  })
})

describe('segments', () => {
  // The first segment of several has the nonce zero and no additional data, as these two cases do.
  const cases = published<'key' | 'nonce' | 'aad' | 'plain' | 'sealed'>('gcm-spec.json').filter(
    ({ nonce, aad }) => /^0+$/.test(nonce) && aad === '',
  )

  it.each(cases)('are sealed and opened as in $name of the GCM specification', ({ key, plain, sealed }) => {
    const row = algorithmNamed('AES-256-GCM')
    const cipher = segmentCipher(row, { inner: Secret.take(hex(key)) }, 0, false)
    const ciphertext = Buffer.concat([cipher.update(hex(plain)), cipher.final(), cipher.getAuthTag()])
    expect(ciphertext.toString('hex')).toBe(sealed)
    expect(openSegment(row, { inner: Secret.take(hex(key)) }, 0, false, hex(sealed)).toString('hex')).toBe(plain)
  })
})

describe('X25519 (RFC 7748, section 6.1)', () => {
  it.each(published<'alicePrivate' | 'alicePublic' | 'bobPrivate' | 'bobPublic' | 'shared'>('rfc7748.json'))(
    'of the reference agrees with $name',
    ({ alicePrivate, alicePublic, bobPrivate, bobPublic, shared }) => {
      expect(publicKeyOf(hex(alicePrivate)).toString('hex')).toBe(alicePublic)
      expect(publicKeyOf(hex(bobPrivate)).toString('hex')).toBe(bobPublic)
      expect(x25519(hex(alicePrivate), hex(bobPublic)).toString('hex')).toBe(shared)
      expect(x25519(hex(bobPrivate), hex(alicePublic)).toString('hex')).toBe(shared)
    },
  )
})
