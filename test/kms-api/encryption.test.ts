import { randomBytes } from 'node:crypto'
import {
  CreateKeyCommand,
  DecryptCommand,
  type DecryptCommandInput,
  EncryptCommand,
  GenerateDataKeyCommand,
  GenerateDataKeyWithoutPlaintextCommand,
  GenerateRandomCommand,
  ReEncryptCommand,
  RotateKeyOnDemandCommand,
} from '@aws-sdk/client-kms'
import { describe, expect, it } from 'vitest'
import { failureOf } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'
import { kmsClient } from './kms-client.ts'

const server = await serverForSuite()
const kms = kmsClient(server)
const keyArns = await Promise.all(
  [1, 2].map(async () => (await kms.send(new CreateKeyCommand({}))).KeyMetadata?.Arn ?? ''),
)
const [KeyId = '', otherKeyId = ''] = keyArns
/** Of a blob: format, connector `local`, a UUID, version (services/gateway, ciphertext-blob.ts). */
const HEADER_BYTES = 1 + 1 + 5 + 1 + 36 + 4
const EncryptionContext = { tenant: 'a', ü: '✓', '': 'empty' }

const encrypt = async (Plaintext: Uint8Array, context?: Record<string, string>) => {
  const input = { KeyId, Plaintext, ...(context && { EncryptionContext: context }) }
  return (await kms.send(new EncryptCommand(input))).CiphertextBlob ?? new Uint8Array(0)
}
const decrypt = (CiphertextBlob: Uint8Array, more: Partial<DecryptCommandInput> = {}) =>
  kms.send(new DecryptCommand({ CiphertextBlob, ...more }))

describe('Encrypt and Decrypt', () => {
  it.each([1, 32, 4096])('give %i bytes back, without being told the key', async (sizeBytes) => {
    const plaintext = randomBytes(sizeBytes)
    const blob = await encrypt(plaintext, EncryptionContext)
    expect(blob.length).toBeLessThanOrEqual(6144)
    // A single byte is found in anything.
    if (sizeBytes > 1) expect(Buffer.from(blob).includes(plaintext)).toBe(false)
    const opened = await decrypt(blob, { EncryptionContext })
    expect(Buffer.from(opened.Plaintext ?? []).equals(plaintext)).toBe(true)
    expect(opened.KeyId).toBe(KeyId)
    await decrypt(blob, { EncryptionContext, KeyId })
  })

  it('never give the same blob for the same plaintext', async () => {
    const [one, two] = [await encrypt(Buffer.from('x')), await encrypt(Buffer.from('x'))]
    expect(Buffer.from(one).equals(two)).toBe(false)
  })

  it.each([0, 4097])('refuse %i bytes', async (sizeBytes) => {
    const refused = await failureOf(encrypt(Buffer.alloc(sizeBytes)))
    expect(refused).toEqual({ code: 'ValidationException', status: 400 })
  })

  it.each([
    ['none', undefined],
    ['another value', { ...EncryptionContext, tenant: 'b' }],
    ['a pair less', { tenant: 'a' }],
    ['a pair more', { ...EncryptionContext, more: '' }],
  ])('open nothing with another context: %s', async (_, context) => {
    const blob = await encrypt(Buffer.from('secret'), EncryptionContext)
    const refused = await failureOf(decrypt(blob, context && { EncryptionContext: context }))
    expect(refused).toEqual({ code: 'InvalidCiphertextException', status: 400 })
  })

  it('take a context in any order', async () => {
    const blob = await encrypt(Buffer.from('secret'), { a: '1', b: '2' })
    await decrypt(blob, { EncryptionContext: { b: '2', a: '1' } })
  })

  it('say so when the ciphertext is of another key than the client expects', async () => {
    const blob = await encrypt(Buffer.from('secret'))
    expect((await failureOf(decrypt(blob, { KeyId: otherKeyId }))).code).toBe('IncorrectKeyException')
    const unknown = await failureOf(decrypt(blob, { KeyId: 'unknown' }))
    expect(unknown.code).toBe('NotFoundException')
  })

  it('find out every changed byte and every length', async () => {
    const blob = Buffer.from(await encrypt(Buffer.from('secret')))
    const attempts = Array.from({ length: blob.length }, (_, index) => {
      const changed = Buffer.from(blob)
      changed.writeUInt8((changed.readUInt8(index) ^ 1) & 0xff, index)
      return changed
    })
    for (let lengthBytes = 1; lengthBytes < blob.length; lengthBytes += 7) attempts.push(blob.subarray(0, lengthBytes))
    attempts.push(Buffer.concat([blob, Buffer.from([0])]), randomBytes(blob.length))
    const codes = new Set<string>()
    for (let from = 0; from < attempts.length; from += 32) {
      const some = attempts.slice(from, from + 32).map(async (attempt) => (await failureOf(decrypt(attempt))).code)
      for (const code of await Promise.all(some)) codes.add(code)
    }
    // A changed key id names a key that is not there, which AWS answers with AccessDeniedException.
    expect([...codes].sort()).toEqual(['AccessDeniedException', 'InvalidCiphertextException'])
  })

  it('find out a blob that was put together of two', async () => {
    const [one, two] = [Buffer.from(await encrypt(Buffer.from('one'))), Buffer.from(await encrypt(Buffer.from('two')))]
    expect(one.length).toBe(two.length)
    const codes = new Set<string>()
    for (let cut = 60; cut < one.length; cut += 20) {
      const joined = Buffer.concat([one.subarray(0, cut), two.subarray(cut)])
      codes.add((await failureOf(decrypt(joined))).code)
    }
    expect([...codes]).toEqual(['InvalidCiphertextException'])
  })

  it('go on after a rotation: the old opens, the new is under the new version', async () => {
    const before = await encrypt(Buffer.from('old'))
    await kms.send(new RotateKeyOnDemandCommand({ KeyId }))
    const after = await encrypt(Buffer.from('new'))
    expect(Buffer.from((await decrypt(before)).Plaintext ?? []).toString()).toBe('old')
    expect(Buffer.from((await decrypt(after)).Plaintext ?? []).toString()).toBe('new')
    // The old under the name of the new version: the version is authenticated too.
    const header = Buffer.from(before).subarray(0, HEADER_BYTES)
    expect(header.equals(Buffer.from(after).subarray(0, HEADER_BYTES))).toBe(false)
    const swapped = Buffer.concat([
      Buffer.from(after).subarray(0, HEADER_BYTES),
      Buffer.from(before).subarray(HEADER_BYTES),
    ])
    expect((await failureOf(decrypt(swapped))).code).toBe('InvalidCiphertextException')
  })
})

describe('ReEncrypt', () => {
  it('brings a plaintext under another key and context', async () => {
    const blob = await encrypt(Buffer.from('secret'), EncryptionContext)
    const moved = await kms.send(
      new ReEncryptCommand({
        CiphertextBlob: blob,
        SourceEncryptionContext: EncryptionContext,
        DestinationKeyId: otherKeyId,
        DestinationEncryptionContext: { tenant: 'b' },
      }),
    )
    expect(moved).toMatchObject({ SourceKeyId: KeyId, KeyId: otherKeyId })
    const CiphertextBlob = moved.CiphertextBlob ?? new Uint8Array(0)
    const opened = await decrypt(CiphertextBlob, { KeyId: otherKeyId, EncryptionContext: { tenant: 'b' } })
    expect(Buffer.from(opened.Plaintext ?? []).toString()).toBe('secret')
    expect((await failureOf(decrypt(CiphertextBlob, { EncryptionContext }))).code).toBe('InvalidCiphertextException')
  })

  it('opens nothing under another context or key than the source', async () => {
    const CiphertextBlob = await encrypt(Buffer.from('secret'), EncryptionContext)
    const wrongContext = kms.send(new ReEncryptCommand({ CiphertextBlob, DestinationKeyId: otherKeyId }))
    expect((await failureOf(wrongContext)).code).toBe('InvalidCiphertextException')
    const wrongKey = kms.send(
      new ReEncryptCommand({ CiphertextBlob, SourceKeyId: otherKeyId, DestinationKeyId: otherKeyId }),
    )
    expect((await failureOf(wrongKey)).code).toBe('IncorrectKeyException')
  })
})

describe('data keys', () => {
  it.each([
    [{ KeySpec: 'AES_128' } as const, 16],
    [{ KeySpec: 'AES_256' } as const, 32],
    [{ NumberOfBytes: 1024 }, 1024],
  ])('of %j have %i bytes and open again', async (size, sizeBytes) => {
    const made = await kms.send(new GenerateDataKeyCommand({ KeyId, EncryptionContext, ...size }))
    expect(made.Plaintext).toHaveLength(sizeBytes)
    const opened = await decrypt(made.CiphertextBlob ?? new Uint8Array(0), { EncryptionContext })
    expect(opened.Plaintext).toEqual(made.Plaintext)
    expect(made.KeyId).toBe(KeyId)
  })

  it('can be made without being shown', async () => {
    const made = await kms.send(new GenerateDataKeyWithoutPlaintextCommand({ KeyId, KeySpec: 'AES_256' }))
    expect(made).not.toHaveProperty('Plaintext')
    expect((await decrypt(made.CiphertextBlob ?? new Uint8Array(0))).Plaintext).toHaveLength(32)
  })

  it.each([[{}], [{ KeySpec: 'AES_256', NumberOfBytes: 32 } as const], [{ NumberOfBytes: 1025 }]])(
    'of %j are refused',
    async (size) => {
      const refused = await failureOf(kms.send(new GenerateDataKeyCommand({ KeyId, ...size })))
      expect(refused.code).toBe('ValidationException')
    },
  )

  it('are never given in the clear to a client that asks for them sealed to an enclave', async () => {
    const Recipient = { AttestationDocument: randomBytes(64), KeyEncryptionAlgorithm: 'RSAES_OAEP_SHA_256' as const }
    const refused = await failureOf(kms.send(new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256', Recipient })))
    expect(refused.code).toBe('UnsupportedOperationException')
  })

  it('are only tried with DryRun', async () => {
    const input = { KeyId, KeySpec: 'AES_256', DryRun: true } as const
    expect((await failureOf(kms.send(new GenerateDataKeyCommand(input)))).code).toBe('DryRunOperationException')
    const unknown = await failureOf(kms.send(new GenerateDataKeyCommand({ ...input, KeyId: 'unknown' })))
    expect(unknown.code).toBe('NotFoundException')
  })
})

it('GenerateRandom gives as many bytes as asked for, other ones each time', async () => {
  const random = async () => (await kms.send(new GenerateRandomCommand({ NumberOfBytes: 24 }))).Plaintext
  const [one, two] = [await random(), await random()]
  expect(one).toHaveLength(24)
  expect(one).not.toEqual(two)
})
