import { cryptoError } from '../src/errors.ts'
import {
  type DataAlgorithm,
  MetadataKey,
  openObjectKey,
  openObjectKeyForCustomer,
  openOuterLayerKey,
  openWhole,
  Secret,
  unwrapSecret,
} from '../src/index.ts'
import { insecureExportKeyBytes } from '../src/insecure-export.ts'
import { openEnvelope, openParcel, openRecord, openStream, openSummary } from './reference.ts'
import { envelopeOf, type Parameters, text } from './vectors.ts'

/** Opens the sealed bytes of a vector, with the parameters that the vector says. */
export type Opener = (open: Parameters, sealed: Uint8Array) => Uint8Array

const bytes = (open: Parameters, name: string): Buffer => Buffer.from(text(open, name), 'hex')
const secret = (open: Parameters, name: string): Secret => Secret.take(bytes(open, name))
const contextOf = (open: Parameters): Readonly<Record<string, string>> => open.context as Record<string, string>

/** Each construction as the package opens it; a key parcel opens only in the process whose session it is for. */
export const PRODUCT_OPENERS: Readonly<Record<string, Opener>> = {
  stream: (open, sealed) => openWhole(secret(open, 'objectKey'), sealed, { partNumber: Number(open.partNumber) }),
  'object-key': (open, sealed) => {
    const sealContext = {
      bucketId: text(open, 'bucketId'),
      key: text(open, 'key'),
      versionId: text(open, 'versionId'),
      algorithm: text(open, 'algorithm') as DataAlgorithm,
      encryptionContext: contextOf(open),
    }
    const ofKms = open.layer === 'outer' ? openOuterLayerKey : openObjectKey
    const opener = open.kind === 1 ? ofKms : openObjectKeyForCustomer
    return insecureExportKeyBytes(opener(sealed, secret(open, 'sealingKey'), sealContext))
  },
  'wrapped-secret': (open, sealed) =>
    insecureExportKeyBytes(unwrapSecret(sealed, secret(open, 'sealingKey'), text(open, 'purpose'), contextOf(open))),
  record: (open, sealed) =>
    new MetadataKey(secret(open, 'metadataKey')).openRecord(sealed, bytes(open, 'additionalData')),
  summary: (open, sealed) => {
    const page = [{ sealed, additionalData: bytes(open, 'additionalData') }]
    const [etag] = new MetadataKey(secret(open, 'metadataKey')).openSummaries(page)
    if (etag === undefined) throw cryptoError('CRYPTO_RECORD_DAMAGED')
    return etag
  },
}

/** Each construction as the reference opens it. */
export const REFERENCE_OPENERS: Readonly<Record<string, Opener>> = {
  stream: (open, sealed) => openStream(bytes(open, 'objectKey'), Number(open.partNumber), sealed),
  'object-key': (open, sealed) => openEnvelope(bytes(open, 'sealingKey'), envelopeOf(open), sealed),
  'wrapped-secret': (open, sealed) => openEnvelope(bytes(open, 'sealingKey'), envelopeOf(open), sealed),
  record: (open, sealed) => openRecord(bytes(open, 'metadataKey'), bytes(open, 'additionalData'), sealed),
  summary: (open, sealed) => openSummary(bytes(open, 'metadataKey'), bytes(open, 'additionalData'), sealed),
  'key-parcel': (open, sealed) => {
    const to = { privateKey: bytes(open, 'recipientPrivateKey'), meshKey: bytes(open, 'meshKey') }
    return openParcel(to, text(open, 'purpose'), {
      senderPublicKey: sealed.subarray(0, 32),
      recipientPublicKey: sealed.subarray(32, 64),
      nonce: sealed.subarray(64, 76),
      ciphertext: sealed.subarray(76),
    })
  },
}
