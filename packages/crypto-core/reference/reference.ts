import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
} from 'node:crypto'

/**
 * A second implementation of FORMAT.md, written from that page and sharing no code with the first: slow, plain, and with the
 * salts and nonces given by its caller. For vectors and tests only.
 */
export type Value = string | Uint8Array | number | boolean
export type AeadName = 'AES-256-GCM' | 'CHACHA20-POLY1305'

export interface EnvelopeParameters {
  readonly kind: number
  readonly purpose: string
  readonly context: readonly Value[]
}

/** What a stream's header says of its segments; the last is AES-256-GCM twice. */
export type StreamAlgorithm = AeadName | 'AES-256-GCM-DUAL'

const ZERO_NONCE = Buffer.alloc(12)
const ALGORITHM_IDS: Readonly<Record<StreamAlgorithm, number>> = {
  'AES-256-GCM': 1,
  'CHACHA20-POLY1305': 2,
  'AES-256-GCM-DUAL': 3,
}

/** Section 1. */
function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

export function hmac(key: Uint8Array, message: Uint8Array): Buffer {
  return createHmac('sha256', key).update(message).digest()
}

export function expand(key: Uint8Array, info: Uint8Array): Buffer {
  return hmac(key, Buffer.concat([info, Buffer.from([1])]))
}

export function aeadSeal(
  name: AeadName,
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  plain: Uint8Array,
): Buffer {
  const cipher = createCipheriv(nodeName(name), key, nonce, { authTagLength: 16 })
  cipher.setAAD(aad, { plaintextLength: plain.length })
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

export function aeadOpen(
  name: AeadName,
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Buffer {
  const length = sealed.length - 16
  const cipher = createDecipheriv(nodeName(name), key, nonce, { authTagLength: 16 })
  cipher.setAAD(aad, { plaintextLength: length })
  cipher.setAuthTag(sealed.subarray(length))
  return Buffer.concat([cipher.update(sealed.subarray(0, length)), cipher.final()])
}

/** Node types the two apart; they are called alike. */
function nodeName(name: AeadName): 'chacha20-poly1305' {
  return name.toLowerCase() as 'chacha20-poly1305'
}

function same(a: Uint8Array, b: Uint8Array, what: string): void {
  if (Buffer.compare(a, b) !== 0) throw new Error(`${what} differs`)
}

/** Section 2. */
export function fields(...values: readonly Value[]): Buffer {
  return Buffer.concat(
    values.flatMap((value) => {
      const bytes = Buffer.from(typeof value === 'object' ? value : String(typeof value === 'boolean' ? +value : value))
      return [u32(bytes.length), bytes]
    }),
  )
}

export function contextBytes(map: Readonly<Record<string, string>>): Buffer {
  const hexOf = (text: string): string => Buffer.from(text).toString('hex')
  const pairs = Object.entries(map).sort(([a], [b]) => (hexOf(a) < hexOf(b) ? -1 : 1))
  return fields(...pairs.flat())
}

/** Section 3. */
function envelopeKeys(key: Uint8Array, salt: Uint8Array, { kind, purpose }: EnvelopeParameters): [Buffer, Buffer] {
  const derived = Buffer.from(hkdfSync('sha256', key, salt, fields('coffer/v1 envelope', kind, purpose), 64))
  return [derived.subarray(0, 32), derived.subarray(32)]
}

export function sealEnvelope(
  key: Uint8Array,
  salt: Uint8Array,
  parameters: EnvelopeParameters,
  secret: Uint8Array,
): Buffer {
  const [kek, commitment] = envelopeKeys(key, salt, parameters)
  const clear = Buffer.concat([Buffer.from([1, parameters.kind]), salt, commitment])
  const aad = fields(clear, ...parameters.context)
  return Buffer.concat([clear, aeadSeal('AES-256-GCM', kek, ZERO_NONCE, aad, secret)])
}

export function openEnvelope(key: Uint8Array, parameters: EnvelopeParameters, envelope: Uint8Array): Buffer {
  same(envelope.subarray(0, 2), Buffer.from([1, parameters.kind]), 'format or kind')
  const clear = envelope.subarray(0, 66)
  const [kek, commitment] = envelopeKeys(key, clear.subarray(2, 34), parameters)
  same(commitment, clear.subarray(34), 'commitment')
  return aeadOpen('AES-256-GCM', kek, ZERO_NONCE, fields(clear, ...parameters.context), envelope.subarray(66))
}

/** Section 4. */
export function streamHeader(algorithm: StreamAlgorithm, partNumber: number, salt: Uint8Array): Buffer {
  const fixed = Buffer.from([0x43, 0x4f, 0x46, 0x52, 1, ALGORITHM_IDS[algorithm], 16, 0])
  return Buffer.concat([fixed, u32(partNumber), u32(0), salt])
}

function segmentNonce(index: number, isLast: boolean): Buffer {
  return Buffer.concat([Buffer.alloc(7), u32(index), Buffer.from([isLast ? 1 : 0])])
}

function pieces(bytes: Uint8Array, size: number): Uint8Array[] {
  const count = Math.max(1, Math.ceil(bytes.length / size))
  return Array.from({ length: count }, (_, index) => bytes.subarray(index * size, (index + 1) * size))
}

function algorithmOf(header: Uint8Array): StreamAlgorithm {
  return header[5] === 1 ? 'AES-256-GCM' : header[5] === 3 ? 'AES-256-GCM-DUAL' : 'CHACHA20-POLY1305'
}

/** AEAD and key of each layer, the inner one first (section 4.1). */
function layersOf(objectKey: Uint8Array, header: Uint8Array): [AeadName, Buffer][] {
  const algorithm = algorithmOf(header)
  const inner = expand(objectKey.subarray(0, 32), fields('coffer/v1 stream', header))
  if (algorithm !== 'AES-256-GCM-DUAL') {
    if (objectKey.length !== 32) throw new Error('an object key of one layer has 32 bytes')
    return [[algorithm, inner]]
  }
  if (objectKey.length !== 64) throw new Error('an object key of two layers has 64 bytes')
  const outer = expand(objectKey.subarray(32), fields('coffer/v1 stream, outer layer', header))
  return [
    ['AES-256-GCM', inner],
    ['AES-256-GCM', outer],
  ]
}

export function sealStream(objectKey: Uint8Array, header: Uint8Array, plain: Uint8Array): Buffer {
  const layers = layersOf(objectKey, header)
  const sealed = pieces(plain, 65_536).map((piece, index, all) => {
    const nonce = segmentNonce(index, index === all.length - 1)
    const sealLayer = (inside: Uint8Array, [name, key]: [AeadName, Buffer]) =>
      aeadSeal(name, key, nonce, Buffer.alloc(0), inside)
    return layers.reduce(sealLayer, Buffer.from(piece))
  })
  return Buffer.concat([header, ...sealed])
}

export function openStream(objectKey: Uint8Array, partNumber: number, stream: Uint8Array): Buffer {
  const header = stream.subarray(0, 48)
  same(header, streamHeader(algorithmOf(header), partNumber, header.subarray(16)), 'header')
  const layers = layersOf(objectKey, header)
  const opened = pieces(stream.subarray(48), 65_536 + 16 * layers.length).map((piece, index, all) => {
    const nonce = segmentNonce(index, index === all.length - 1)
    const openLayer = (sealed: Uint8Array, [name, key]: [AeadName, Buffer]) =>
      aeadOpen(name, key, nonce, Buffer.alloc(0), sealed)
    return layers.reduceRight(openLayer, Buffer.from(piece))
  })
  return Buffer.concat(opened)
}

/** Section 5. */
function recordKey(metadataKey: Uint8Array, clear: Uint8Array): Buffer {
  return expand(expand(metadataKey, fields('coffer/v1 record')), clear)
}

export function sealRecord(metadataKey: Uint8Array, salt: Uint8Array, aad: Uint8Array, plain: Uint8Array): Buffer {
  const clear = Buffer.concat([Buffer.from([1]), salt])
  return Buffer.concat([clear, aeadSeal('AES-256-GCM', recordKey(metadataKey, clear), ZERO_NONCE, aad, plain)])
}

export function openRecord(metadataKey: Uint8Array, aad: Uint8Array, record: Uint8Array): Buffer {
  same(record.subarray(0, 1), Buffer.from([1]), 'format')
  return aeadOpen('AES-256-GCM', recordKey(metadataKey, record.subarray(0, 33)), ZERO_NONCE, aad, record.subarray(33))
}

function encryptEtag(metadataKey: Uint8Array, nonce: Uint8Array, etag: Uint8Array): Buffer {
  return createCipheriv('aes-256-ctr', expand(metadataKey, fields('coffer/v1 summary cipher')), nonce).update(etag)
}

function summaryTag(metadataKey: Uint8Array, ...parts: readonly Uint8Array[]): Buffer {
  return hmac(expand(metadataKey, fields('coffer/v1 summary mac')), Buffer.concat(parts)).subarray(0, 16)
}

export function sealSummary(metadataKey: Uint8Array, nonce: Uint8Array, aad: Uint8Array, etag: Uint8Array): Buffer {
  const encrypted = encryptEtag(metadataKey, nonce, etag)
  return Buffer.concat([nonce, encrypted, summaryTag(metadataKey, nonce, encrypted, aad)])
}

export function openSummary(metadataKey: Uint8Array, aad: Uint8Array, summary: Uint8Array): Buffer {
  const [nonce, encrypted, tag] = [summary.subarray(0, 16), summary.subarray(16, 32), summary.subarray(32)]
  same(tag, summaryTag(metadataKey, nonce, encrypted, aad), 'tag')
  return encryptEtag(metadataKey, nonce, encrypted)
}

/** Section 6. */
export interface Parcel {
  readonly senderPublicKey: Uint8Array
  readonly recipientPublicKey: Uint8Array
  readonly nonce: Uint8Array
  readonly ciphertext: Uint8Array
}

/** PKCS#8 of an X25519 private key before its 32 raw bytes: RFC 8410, section 7. */
const PKCS8_BEFORE_KEY = Buffer.from('302e020100300506032b656e04220420', 'hex')
/** SubjectPublicKeyInfo of an X25519 public key before its 32 raw bytes: RFC 8410, section 4. */
const SPKI_BEFORE_KEY = Buffer.from('302a300506032b656e032100', 'hex')

function privateKeyObject(raw: Uint8Array) {
  return createPrivateKey({ key: Buffer.concat([PKCS8_BEFORE_KEY, raw]), format: 'der', type: 'pkcs8' })
}

export function publicKeyOf(privateKey: Uint8Array): Buffer {
  const der = createPublicKey(privateKeyObject(privateKey)).export({ format: 'der', type: 'spki' })
  return der.subarray(SPKI_BEFORE_KEY.length)
}

export function x25519(privateKey: Uint8Array, publicKey: Uint8Array): Buffer {
  const peer = createPublicKey({ key: Buffer.concat([SPKI_BEFORE_KEY, publicKey]), format: 'der', type: 'spki' })
  return diffieHellman({ privateKey: privateKeyObject(privateKey), publicKey: peer })
}

function parcelKey(meshKey: Uint8Array, shared: Uint8Array, sender: Uint8Array, recipient: Uint8Array): Buffer {
  return Buffer.from(hkdfSync('sha256', shared, meshKey, fields('coffer/v1 key parcel', sender, recipient), 32))
}

export function sealParcel(
  from: { readonly privateKey: Uint8Array; readonly meshKey: Uint8Array },
  recipient: Uint8Array,
  nonce: Uint8Array,
  purpose: string,
  secret: Uint8Array,
): Parcel {
  const sender = publicKeyOf(from.privateKey)
  const key = parcelKey(from.meshKey, x25519(from.privateKey, recipient), sender, recipient)
  const ciphertext = aeadSeal('AES-256-GCM', key, nonce, fields(purpose), secret)
  return { senderPublicKey: sender, recipientPublicKey: recipient, nonce, ciphertext }
}

export function openParcel(
  to: { readonly privateKey: Uint8Array; readonly meshKey: Uint8Array },
  purpose: string,
  parcel: Parcel,
): Buffer {
  const recipient = publicKeyOf(to.privateKey)
  same(recipient, parcel.recipientPublicKey, 'recipient')
  const shared = x25519(to.privateKey, parcel.senderPublicKey)
  const key = parcelKey(to.meshKey, shared, parcel.senderPublicKey, recipient)
  return aeadOpen('AES-256-GCM', key, parcel.nonce, fields(purpose), parcel.ciphertext)
}
