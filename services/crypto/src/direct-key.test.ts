import { directKeyRef } from '@coffer/kms'
import { describe, expect, it } from 'vitest'
import { decodeDirect, directKeyContext, encodeDirect } from './direct-key.ts'
import { decodeLayers, encodeLayers } from './dual-layer-key.ts'

const wrapped = { connector: 'local', keyId: 'invoices', keyVersion: 2, ciphertext: Buffer.from('wrapped') }
const stored = encodeDirect({ wrapped, sealed: Buffer.from('sealed object key') })
const damaged = expect.objectContaining({ code: 'ENGINE_RECORD_DAMAGED' })

describe('an object key under a data key of its own', () => {
  it('is found under the master key that wraps the data key, and under no other', () => {
    expect(decodeDirect(stored)).toEqual({ wrapped, sealed: Buffer.from('sealed object key') })
    expect(stored.keyRef).toBe(directKeyRef(wrapped))
    for (const other of [{ keyVersion: 1 }, { keyId: 'other' }, { connector: 'vault' }]) {
      const keyRef = directKeyRef({ ...wrapped, ...other })
      expect(() => decodeDirect({ ...stored, keyRef })).toThrow(damaged)
    }
  })

  it('is refused where it is cut or of a format that is not known', () => {
    for (const sealed of [
      Buffer.alloc(0),
      stored.sealed.subarray(0, 2),
      Buffer.concat([Buffer.of(9), stored.sealed]),
    ]) {
      expect(() => decodeDirect({ ...stored, sealed })).toThrow(damaged)
    }
  })

  it('has its data key bound to the object, whatever the client’s own encryption context says', () => {
    const encryptionContext = {
      tenant: 'acme',
      'coffer:object': 'another',
      'coffer:bucket': 'x',
      'coffer:version': 'y',
    }
    const context = { bucketId: 'b', key: 'k', versionId: 'v', algorithm: 'AES-256-GCM', encryptionContext } as const
    expect(directKeyContext(context)).toEqual({
      tenant: 'acme',
      'coffer:bucket': 'b',
      'coffer:object': 'k',
      'coffer:version': 'v',
    })
  })
})

describe('the object key of two layers', () => {
  const outer = { keyRef: 'bk:id', sealed: Buffer.from('sealed outer key') }

  it('is named for the master key of the inner layer, and its outer layer follows a bucket key', () => {
    const layers = encodeLayers({ inner: stored, outer })
    expect(layers.keyRef).toBe(stored.keyRef)
    expect(decodeLayers(layers)).toEqual({ inner: { ...stored, sealed: Buffer.from(stored.sealed) }, outer })
  })

  it('is refused where its outer layer is not under a bucket key, and at any shorter length of its fields', () => {
    expect(() => decodeLayers(encodeLayers({ inner: stored, outer: stored }))).toThrow(damaged)
    const { keyRef, sealed } = encodeLayers({ inner: stored, outer })
    for (let length = 0; length < sealed.length - outer.sealed.length; length++) {
      expect(() => decodeLayers({ keyRef, sealed: sealed.subarray(0, length) })).toThrow(damaged)
    }
  })
})
