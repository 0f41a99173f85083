import fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  type DataAlgorithm,
  encodeContext,
  encodeFields,
  KeyCourier,
  MetadataKey,
  Secret,
  sealObjectKey,
  sealObjectKeyForCustomer,
  sealWhole,
  wrapSecret,
} from '../src/index.ts'
import { insecureExportKeyBytes } from '../src/insecure-export.ts'
import {
  contextBytes,
  fields,
  openEnvelope,
  openParcel,
  openRecord,
  openStream,
  openSummary,
  publicKeyOf,
  sealParcel,
} from './reference.ts'

const key = fc.uint8Array({ minLength: 32, maxLength: 32 })
const text = fc.string({ unit: 'binary', maxLength: 40 })
const algorithm = fc.constantFrom<DataAlgorithm>('AES-256-GCM', 'CHACHA20-POLY1305')
const streamAlgorithm = fc.constantFrom<DataAlgorithm>('AES-256-GCM', 'CHACHA20-POLY1305', 'AES-256-GCM-DUAL')
const context = fc.dictionary(text, text, { maxKeys: 5 })

it('the reference encodes fields and contexts as the package does', () => {
  const field = fc.oneof(text, fc.uint8Array({ maxLength: 40 }), fc.maxSafeInteger(), fc.boolean())
  fc.assert(
    fc.property(fc.array(field, { maxLength: 12 }), context, (values, map) => {
      expect(fields(...values).equals(encodeFields(...values))).toBe(true)
      expect(contextBytes(map).equals(encodeContext(map))).toBe(true)
    }),
  )
})

it('the reference opens the streams that the package seals', () => {
  const plain = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.constantFrom(65_535, 65_536, 65_537, 131_072).map((size) => new Uint8Array(size).fill(7)),
  )
  fc.assert(
    fc.property(key, streamAlgorithm, fc.nat(10_000), plain, (oneKey, name, partNumber, bytes) => {
      const objectKey = name === 'AES-256-GCM-DUAL' ? Buffer.concat([oneKey, Buffer.from(oneKey).reverse()]) : oneKey
      const sealed = sealWhole(Secret.copyOf(objectKey), bytes, { algorithm: name, partNumber })
      expect(openStream(objectKey, partNumber, sealed).equals(bytes)).toBe(true)
    }),
    { numRuns: 60 },
  )
})

it('the reference opens the object keys and secrets that the package seals', () => {
  fc.assert(
    fc.property(
      key,
      key,
      algorithm,
      text,
      text,
      context,
      (secret, sealingKey, name, first, second, encryptionContext) => {
        const sealContext = { bucketId: first, key: second, versionId: 'v', algorithm: name, encryptionContext }
        const objectKeyContext = [first, second, 'v', name, contextBytes(encryptionContext)]
        const forObject = (kind: number) => ({ kind, purpose: 'object key', context: objectKeyContext })
        const [inner, outer] = [Secret.copyOf(secret), Secret.copyOf(sealingKey)]
        expect(openEnvelope(sealingKey, forObject(1), sealObjectKey(inner, outer, sealContext)).equals(secret)).toBe(
          true,
        )
        const forCustomer = sealObjectKeyForCustomer(inner, outer, sealContext)
        expect(openEnvelope(sealingKey, forObject(2), forCustomer).equals(secret)).toBe(true)
        const wrapped = wrapSecret(inner, outer, first, encryptionContext)
        const binding = { kind: 3, purpose: first, context: [contextBytes(encryptionContext)] }
        expect(openEnvelope(sealingKey, binding, wrapped).equals(secret)).toBe(true)
      },
    ),
  )
})

it('the reference opens the records and summaries that the package seals', () => {
  const aad = fc.uint8Array({ maxLength: 100 })
  const etag = fc.uint8Array({ minLength: 16, maxLength: 16 })
  fc.assert(
    fc.property(key, aad, fc.uint8Array({ maxLength: 500 }), etag, (bytes, additionalData, plain, tag) => {
      const metadataKey = new MetadataKey(Secret.copyOf(bytes))
      const record = metadataKey.sealRecord(plain, additionalData)
      expect(openRecord(bytes, additionalData, record).equals(plain)).toBe(true)
      const summary = metadataKey.sealSummary(tag, additionalData)
      expect(openSummary(bytes, additionalData, summary).equals(tag)).toBe(true)
    }),
  )
})

it('the reference and a courier open the parcels of each other', () => {
  fc.assert(
    fc.property(key, key, key, text, (meshKey, privateKey, secret, purpose) => {
      const courier = new KeyCourier(Secret.copyOf(meshKey))
      const peer = { privateKey, meshKey }
      const sent = courier.seal(Secret.copyOf(secret), publicKeyOf(privateKey), purpose)
      expect(openParcel(peer, purpose, sent).equals(secret)).toBe(true)
      const received = {
        kind: 'sealed',
        ...sealParcel(peer, courier.publicKey, Buffer.alloc(12, 9), purpose, secret),
      } as const
      expect(Buffer.from(secret).equals(insecureExportKeyBytes(courier.open(received, purpose)))).toBe(true)
    }),
    { numRuns: 30 },
  )
})
