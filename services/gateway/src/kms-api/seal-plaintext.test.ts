import type { KeyParcel, KmsService } from '@coffer/contracts'
import { insecureExportKeyBytes, Secret, wrapSecret } from '@coffer/crypto-core'
import type { EncryptionContext, WrappedKey } from '@coffer/kms'
import { DomainKey, openLocalConnector } from '@coffer/kms/connectors/local'
import { MemoryRecords } from '@coffer/kms/testing'
import type { Mesh } from '@coffer/mesh'
import { describe, expect, it } from 'vitest'
import { decodeBlob, encodeBlob, encodeHeader } from './ciphertext-blob.ts'
import { openCiphertext, sealPlaintext } from './seal-plaintext.ts'

const REFUSED = { code: expect.stringMatching(/^(InvalidCiphertextException|KMS_CIPHERTEXT_REFUSED)$/) }

/** A call on the local connector, with keys k1 and k2; `handed` are the data keys that it gave out. */
async function localCall() {
  const records = new MemoryRecords()
  const domainKey = await DomainKey.open(Secret.random(32), records)
  const connector = openLocalConnector({ domainKey }, { name: 'local', records })
  for (const keyId of ['k1', 'k2']) await connector.createKey(keyId)
  const handed: Secret[] = []
  const parcel = (secret: Secret): KeyParcel => {
    handed.push(secret)
    return { kind: 'local', secret }
  }
  const kms = {
    async generateDataKey(keyId: string, context: EncryptionContext) {
      const { plaintext, wrapped } = await connector.generateDataKey(keyId, context)
      return { plaintext: parcel(plaintext), wrapped }
    },
    decrypt: async (wrapped: WrappedKey, context: EncryptionContext) =>
      parcel(await connector.decrypt(wrapped, context)),
  } as unknown as KmsService
  const mesh = {
    recipient: () => ({ processId: 'p', publicKey: new Uint8Array(32) }),
    unparcel: (sealed: KeyParcel) => (sealed as Extract<KeyParcel, { kind: 'local' }>).secret,
  } as unknown as Mesh
  return { call: { kms, mesh }, connector, handed }
}

const textOf = (secret: Secret) => Buffer.from(insecureExportKeyBytes(secret)).toString()
const secretOf = (text: string) => Secret.copyOf(Buffer.from(text))

describe('a sealed plaintext', () => {
  it('opens under its key and context, and every data key is wiped', async () => {
    const { call, handed } = await localCall()
    const blob = await sealPlaintext(call, 'k1', secretOf('plain'), { a: '1' })
    expect(decodeBlob(blob).wrapped).toMatchObject({ connector: 'local', keyId: 'k1', keyVersion: 1 })
    expect(textOf(await openCiphertext(call, blob, { a: '1' }))).toBe('plain')
    expect(handed).toHaveLength(2)
    for (const dataKey of handed) expect(() => dataKey.lengthBytes).toThrow()
  })

  it('does not open beside the data key of another, of the same key and context', async () => {
    const { call } = await localCall()
    const one = decodeBlob(await sealPlaintext(call, 'k1', secretOf('one'), {}))
    const two = decodeBlob(await sealPlaintext(call, 'k1', secretOf('two'), {}))
    const crossed = encodeBlob({ wrapped: one.wrapped, sealed: two.sealed })
    await expect(openCiphertext(call, crossed, {})).rejects.toMatchObject(REFUSED)
  })

  it.each([
    { purpose: 'bucket-key', bucketKeyId: 'b/local/k1/20260101-1' },
    { purpose: 'metadata-key', bucket: 'b' },
  ])('is never made of what the KMS wrapped for the server: %j', async (context) => {
    const { call, connector } = await localCall()
    // The most that an attacker could have: the wrapped key, its context, and even a part sealed under it.
    const { plaintext: dataKey, wrapped } = await connector.generateDataKey('k1', context)
    const sealContext = { ...context, 'coffer:key': encodeHeader(wrapped).toString('base64') }
    const sealed = wrapSecret(secretOf('x'), dataKey, 'kms api ciphertext', sealContext)
    await expect(openCiphertext(call, encodeBlob({ wrapped, sealed }), context)).rejects.toMatchObject(REFUSED)
  })

  it('of a key that is not there is told as AWS tells it', async () => {
    const { call } = await localCall()
    const { wrapped, sealed } = decodeBlob(await sealPlaintext(call, 'k1', secretOf('x'), {}))
    const moved = encodeBlob({ wrapped: { ...wrapped, keyId: 'k3' }, sealed })
    await expect(openCiphertext(call, moved, {})).rejects.toMatchObject({ code: 'AccessDeniedException' })
    const other = encodeBlob({ wrapped: { ...wrapped, keyId: 'k2' }, sealed })
    await expect(openCiphertext(call, other, {})).rejects.toMatchObject(REFUSED)
  })
})
