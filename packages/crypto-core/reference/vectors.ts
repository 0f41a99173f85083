import { createHash } from 'node:crypto'
import {
  contextBytes,
  fields,
  publicKeyOf,
  type StreamAlgorithm,
  sealEnvelope,
  sealParcel,
  sealRecord,
  sealStream,
  sealSummary,
  streamHeader,
} from './reference.ts'

/** What to do to the sealed bytes of a positive vector, or to open them with, to get a negative one. */
export type Change =
  | { readonly do: 'cut'; readonly sizeBytes: number }
  | { readonly do: 'append'; readonly hex: string }
  | { readonly do: 'xor'; readonly offset: number; readonly byte: number }
  | { readonly do: 'swap-segments'; readonly first: number; readonly second: number }
  | { readonly do: 'repeat-segment'; readonly segment: number }
  | { readonly do: 'open-with'; readonly parameters: Parameters }

/** Bytes in hexadecimal; texts, numbers and maps as they are. */
export type Parameters = Readonly<Record<string, string | number | Readonly<Record<string, string>>>>

export interface PositiveVector {
  readonly name: string
  readonly open: Parameters
  readonly salt: string
  /** Hexadecimal; a plaintext that is only a size has the byte i mod 251 at offset i. */
  readonly plain: string | { readonly sizeBytes: number }
  /** Hexadecimal, or a size and the SHA-256 of the bytes where they are many. */
  readonly sealed: string | { readonly sizeBytes: number; readonly sha256: string }
}

export interface NegativeVector {
  readonly name: string
  /** Name of the positive vector that is changed. */
  readonly of: string
  readonly change: Change
  readonly error: string
}

export interface VectorFile {
  readonly construction: string
  readonly format: string
  readonly positive: readonly PositiveVector[]
  readonly negative: readonly NegativeVector[]
}

const INLINE_BYTES_MAX = 1024

/** Bytes that follow from their name. */
export function bytesNamed(name: string, sizeBytes = 32): Buffer {
  return createHash('shake256', { outputLength: sizeBytes }).update(name).digest()
}

export function patternBytes(sizeBytes: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: sizeBytes }, (_, index) => index % 251))
}

export function plainOf({ plain }: PositiveVector): Buffer {
  return typeof plain === 'string' ? Buffer.from(plain, 'hex') : patternBytes(plain.sizeBytes)
}

/** Seals a positive vector again with the reference implementation. */
export function sealVector(construction: string, vector: Pick<PositiveVector, 'open' | 'salt' | 'plain'>): Buffer {
  const plain = plainOf({ ...vector, name: '', sealed: '' })
  const salt = Buffer.from(vector.salt, 'hex')
  const bytes = (name: string): Buffer => Buffer.from(text(vector.open, name), 'hex')
  switch (construction) {
    case 'stream': {
      const { algorithm, partNumber } = vector.open
      return sealStream(bytes('objectKey'), streamHeader(algorithm as StreamAlgorithm, Number(partNumber), salt), plain)
    }
    case 'object-key':
    case 'wrapped-secret':
      return sealEnvelope(bytes('sealingKey'), salt, envelopeOf(vector.open), plain)
    case 'record':
      return sealRecord(bytes('metadataKey'), salt, bytes('additionalData'), plain)
    case 'summary':
      return sealSummary(bytes('metadataKey'), salt, bytes('additionalData'), plain)
    default: {
      const from = { privateKey: bytes('senderPrivateKey'), meshKey: bytes('meshKey') }
      const recipient = publicKeyOf(bytes('recipientPrivateKey'))
      const parcel = sealParcel(from, recipient, salt, text(vector.open, 'purpose'), plain)
      return Buffer.concat([parcel.senderPublicKey, parcel.recipientPublicKey, parcel.nonce, parcel.ciphertext])
    }
  }
}

const OUTER_PURPOSE = 'object key, outer layer'

export function envelopeOf(open: Parameters) {
  const context = open.context as Readonly<Record<string, string>>
  if (open.kind === 3) return { kind: 3, purpose: text(open, 'purpose'), context: [contextBytes(context)] }
  const names = ['bucketId', 'key', 'versionId', 'algorithm'].map((name) => text(open, name))
  return {
    kind: Number(open.kind),
    purpose: open.layer === 'outer' ? OUTER_PURPOSE : 'object key',
    context: [...names, contextBytes(context)],
  }
}

export function text(open: Parameters, name: string): string {
  const value = open[name]
  if (typeof value !== 'string') throw new Error(`a vector lacks ${name}`)
  return value
}

export function applyChange(sealed: Uint8Array, change: Change): Buffer {
  switch (change.do) {
    case 'cut':
      return Buffer.from(sealed.subarray(0, change.sizeBytes))
    case 'append':
      return Buffer.concat([sealed, Buffer.from(change.hex, 'hex')])
    case 'xor': {
      const changed = Buffer.from(sealed)
      changed[change.offset] = (changed[change.offset] ?? 0) ^ change.byte
      return changed
    }
    case 'swap-segments': {
      const [low, high] = [Math.min(change.first, change.second), Math.max(change.first, change.second)]
      const at = (index: number): Uint8Array => sealed.subarray(48 + 65_552 * index, 48 + 65_552 * (index + 1))
      const between = sealed.subarray(48 + 65_552 * (low + 1), 48 + 65_552 * high)
      const parts = [sealed.subarray(0, 48 + 65_552 * low), at(high), between, at(low)]
      return Buffer.concat([...parts, sealed.subarray(48 + 65_552 * (high + 1))])
    }
    case 'repeat-segment': {
      const end = 48 + 65_552 * (change.segment + 1)
      return Buffer.concat([sealed.subarray(0, end), sealed.subarray(end - 65_552, end), sealed.subarray(end)])
    }
    default:
      return Buffer.from(sealed)
  }
}

function positive(
  construction: string,
  name: string,
  open: Parameters,
  plain: PositiveVector['plain'],
  saltBytes = 32,
): PositiveVector {
  const salt = bytesNamed(`${construction}/${name}/salt`, saltBytes).toString('hex')
  const sealed = sealVector(construction, { open, salt, plain })
  const sha256 = createHash('sha256').update(sealed).digest('hex')
  const shown = sealed.length > INLINE_BYTES_MAX ? { sizeBytes: sealed.length, sha256 } : sealed.toString('hex')
  return { name, open, salt, plain, sealed: shown }
}

const hexNamed = (name: string, sizeBytes?: number): string => bytesNamed(name, sizeBytes).toString('hex')

const DUAL = 'AES-256-GCM-DUAL'

function objectKeyFor(algorithm: StreamAlgorithm): string {
  return algorithm === DUAL ? hexNamed('object key') + hexNamed('outer key') : hexNamed('object key')
}

function streamVectors(): VectorFile {
  const sizes = [0, 1, 300, 65_535, 65_536, 65_537, 131_072, 200_000]
  const stream = (algorithm: StreamAlgorithm, sizeBytes: number, partNumber: number): PositiveVector =>
    positive(
      'stream',
      `${algorithm}-${sizeBytes}-part-${partNumber}`,
      { objectKey: objectKeyFor(algorithm), algorithm, partNumber },
      { sizeBytes },
    )
  const of = 'AES-256-GCM-200000-part-0'
  const dual = 'AES-256-GCM-DUAL-200000-part-0'
  const damaged = 'CRYPTO_SEGMENT_DAMAGED'
  const negative = (name: string, change: Change, error: string): NegativeVector => ({ name, of, change, error })
  const openDual = (name: string, keys: readonly string[], error: string): NegativeVector =>
    negative(name, { do: 'open-with', parameters: { objectKey: keys.map((key) => hexNamed(key)).join('') } }, error)
  const header = (name: string, offset: number, error: string): NegativeVector =>
    negative(name, { do: 'xor', offset, byte: 1 }, error)
  return {
    construction: 'stream',
    format: 'FORMAT.md, section 4',
    positive: [
      ...sizes.map((size) => stream('AES-256-GCM', size, 0)),
      ...sizes.map((size) => stream('CHACHA20-POLY1305', size, 0)),
      stream('AES-256-GCM', 300, 1),
      stream('AES-256-GCM', 300, 10_000),
      ...sizes.map((size) => stream(DUAL, size, 0)),
      stream(DUAL, 300, 2),
    ],
    negative: [
      negative('truncated: by one byte', { do: 'cut', sizeBytes: 200_111 }, damaged),
      negative('truncated: inside a tag', { do: 'cut', sizeBytes: 48 + 65_552 + 7 }, 'CRYPTO_SEGMENT_TRUNCATED'),
      negative('truncated: at the end of a segment', { do: 'cut', sizeBytes: 48 + 65_552 * 2 }, damaged),
      negative('truncated: to the header', { do: 'cut', sizeBytes: 48 }, 'CRYPTO_SEGMENT_TRUNCATED'),
      negative('truncated: inside the header', { do: 'cut', sizeBytes: 47 }, 'CRYPTO_SEGMENT_TRUNCATED'),
      negative('truncated: to nothing', { do: 'cut', sizeBytes: 0 }, 'CRYPTO_SEGMENT_TRUNCATED'),
      negative('reordered: first two segments', { do: 'swap-segments', first: 0, second: 1 }, damaged),
      negative('reordered: middle segments', { do: 'swap-segments', first: 1, second: 2 }, damaged),
      negative('repeated: the first segment', { do: 'repeat-segment', segment: 0 }, damaged),
      negative('extended: by one byte', { do: 'append', hex: '00' }, damaged),
      negative('extended: by an empty segment', { do: 'append', hex: '00'.repeat(16) }, damaged),
      negative('flipped: first byte of a segment', { do: 'xor', offset: 48, byte: 1 }, damaged),
      negative('flipped: a tag', { do: 'xor', offset: 48 + 65_540, byte: 128 }, damaged),
      negative('flipped: the last byte', { do: 'xor', offset: 200_111, byte: 1 }, damaged),
      negative('wrong-key', { do: 'open-with', parameters: { objectKey: hexNamed('another key') } }, damaged),
      negative('wrong-part', { do: 'open-with', parameters: { partNumber: 1 } }, 'CRYPTO_STREAM_MISMATCH'),
      header('header-changed: magic', 0, 'CRYPTO_HEADER_UNKNOWN'),
      header('header-changed: version', 4, 'CRYPTO_HEADER_UNKNOWN'),
      header('header-changed: no such algorithm', 5, 'CRYPTO_HEADER_UNKNOWN'),
      negative('header-changed: another algorithm', { do: 'xor', offset: 5, byte: 3 }, damaged),
      header('header-changed: segment size', 6, 'CRYPTO_HEADER_UNKNOWN'),
      header('header-changed: first reserved byte', 7, 'CRYPTO_HEADER_UNKNOWN'),
      header('header-changed: last reserved byte', 15, 'CRYPTO_HEADER_UNKNOWN'),
      header('header-changed: part number', 11, 'CRYPTO_STREAM_MISMATCH'),
      header('header-changed: salt', 16, damaged),
      ...[
        negative('flipped: first byte of a segment', { do: 'xor', offset: 48, byte: 1 }, damaged),
        negative('flipped: the tag of the inner layer', { do: 'xor', offset: 48 + 65_536, byte: 1 }, damaged),
        negative('flipped: the tag of the outer layer', { do: 'xor', offset: 48 + 65_552, byte: 1 }, damaged),
        negative('truncated: by the tag of the outer layer', { do: 'cut', sizeBytes: 200_176 - 16 }, damaged),
        negative('truncated: at the end of a segment', { do: 'cut', sizeBytes: 48 + 65_568 * 2 }, damaged),
        openDual('wrong-key: of the inner layer', ['another key', 'outer key'], damaged),
        openDual('wrong-key: of the outer layer', ['object key', 'another key'], damaged),
        openDual('wrong-key: the two keys exchanged', ['outer key', 'object key'], damaged),
        openDual('wrong-key: the inner key for both layers', ['object key', 'object key'], damaged),
        openDual('wrong-key: the outer key for both layers', ['outer key', 'outer key'], damaged),
        openDual('one-key: of the inner layer alone', ['object key'], 'CRYPTO_KEY_LENGTH'),
        openDual('one-key: of the outer layer alone', ['outer key'], 'CRYPTO_KEY_LENGTH'),
        header('header-changed: one layer', 5, 'CRYPTO_KEY_LENGTH'),
      ].map((vector) => ({ ...vector, name: `dual ${vector.name}`, of: dual })),
    ],
  }
}

function envelopeVectors(construction: 'object-key' | 'wrapped-secret'): VectorFile {
  const isObjectKey = construction === 'object-key'
  const sealingKey = hexNamed('sealing key')
  const object = {
    bucketId: '0193a4f0c0de',
    key: 'photos/été 🏖.jpg',
    versionId: '7fffffff00000001',
    algorithm: 'AES-256-GCM',
  }
  const context = { tenant: 'acme', Ünïcode: 'ok' }
  const rows: readonly (readonly [string, Parameters])[] = isObjectKey
    ? [
        ['kms', { kind: 1, sealingKey, ...object, context: {} }],
        ['kms-with-context', { kind: 1, sealingKey, ...object, context }],
        ['customer', { kind: 2, sealingKey, ...object, context: {} }],
        ['dual-inner', { kind: 1, layer: 'inner', sealingKey, ...object, algorithm: DUAL, context }],
        ['dual-outer', { kind: 1, layer: 'outer', sealingKey, ...object, algorithm: DUAL, context }],
      ]
    : [
        ['master-key', { kind: 3, sealingKey, purpose: 'kms/master-key', context: { keyId: 'default', version: '1' } }],
        ['no-context', { kind: 3, sealingKey, purpose: 'iam/secret', context: {} }],
      ]
  const of = rows[0]?.[0] ?? ''
  const changed: Parameters = isObjectKey
    ? { key: 'photos/other.jpg' }
    : { context: { keyId: 'default', version: '2' } }
  const purposeOrKind: readonly [string, Parameters, string] = isObjectKey
    ? ['wrong-kind: a customer key', { kind: 2 }, 'CRYPTO_DAMAGED']
    : ['wrong-purpose', { purpose: 'iam/secret' }, 'CRYPTO_WRONG_KEY']
  const openWith = (name: string, parameters: Parameters, error: string): NegativeVector => ({
    name,
    of,
    change: { do: 'open-with', parameters },
    error,
  })
  const wrongLayers: readonly NegativeVector[] = [
    { ...openWith('wrong-layer: inner as outer', { layer: 'outer' }, 'CRYPTO_WRONG_KEY'), of: 'dual-inner' },
    { ...openWith('wrong-layer: outer as inner', { layer: 'inner' }, 'CRYPTO_WRONG_KEY'), of: 'dual-outer' },
  ]
  return {
    construction,
    format: isObjectKey ? 'FORMAT.md, section 3.1' : 'FORMAT.md, section 3.2',
    positive: rows.map(([name, open]) => positive(construction, name, open, hexNamed('object key'))),
    negative: [
      openWith('wrong-key', { sealingKey: hexNamed('another key') }, 'CRYPTO_WRONG_KEY'),
      openWith(...purposeOrKind),
      openWith('wrong-context', changed, 'CRYPTO_DAMAGED'),
      ...(isObjectKey ? wrongLayers : []),
      ...changesOf(of, 114, 66, 'CRYPTO_DAMAGED'),
      { name: 'header-changed: format', of, change: { do: 'xor', offset: 0, byte: 2 }, error: 'CRYPTO_DAMAGED' },
      { name: 'header-changed: salt', of, change: { do: 'xor', offset: 2, byte: 1 }, error: 'CRYPTO_WRONG_KEY' },
      { name: 'header-changed: commitment', of, change: { do: 'xor', offset: 34, byte: 1 }, error: 'CRYPTO_WRONG_KEY' },
    ],
  }
}

/** What every sealed thing must refuse: a missing, an added and a flipped byte. */
function changesOf(of: string, sizeBytes: number, ciphertextAt: number, error: string): NegativeVector[] {
  return [
    { name: 'truncated: by one byte', of, change: { do: 'cut', sizeBytes: sizeBytes - 1 }, error },
    { name: 'truncated: to nothing', of, change: { do: 'cut', sizeBytes: 0 }, error },
    { name: 'extended: by one byte', of, change: { do: 'append', hex: '00' }, error },
    { name: 'flipped: first byte of the ciphertext', of, change: { do: 'xor', offset: ciphertextAt, byte: 1 }, error },
    { name: 'flipped: last byte of the tag', of, change: { do: 'xor', offset: sizeBytes - 1, byte: 128 }, error },
  ]
}

function metadataVectors(construction: 'record' | 'summary'): VectorFile {
  const additionalData = fields('version', 'photos/été 🏖.jpg', 1_700_000_000_000, true).toString('hex')
  const open = { metadataKey: hexNamed('metadata key'), additionalData }
  const error = 'CRYPTO_RECORD_DAMAGED'
  const of = 'version'
  const openWith = (name: string, parameters: Parameters): NegativeVector => ({
    name,
    of,
    change: { do: 'open-with', parameters },
    error,
  })
  const wrong = [
    openWith('wrong-key', { metadataKey: hexNamed('another key') }),
    openWith('wrong-additional-data', { additionalData: `${additionalData}00` }),
  ]
  const saltChanged: NegativeVector = {
    name: 'header-changed: salt or nonce',
    of,
    change: { do: 'xor', offset: 1, byte: 1 },
    error,
  }
  if (construction === 'summary') {
    return {
      construction,
      format: 'FORMAT.md, section 5.2',
      positive: [positive(construction, of, open, hexNamed('etag', 16), 16)],
      negative: [...wrong, ...changesOf(of, 48, 16, error), saltChanged],
    }
  }
  return {
    construction,
    format: 'FORMAT.md, section 5.1',
    positive: [
      positive(construction, of, open, Buffer.from('{"etagHex":"d41d8cd98f00b204e9800998ecf8427e"}').toString('hex')),
      positive(construction, 'empty', { ...open, additionalData: '' }, ''),
    ],
    negative: [...wrong, ...changesOf(of, 95, 33, error), saltChanged],
  }
}

function parcelVectors(): VectorFile {
  const open = {
    senderPrivateKey: hexNamed('sender'),
    recipientPrivateKey: hexNamed('recipient'),
    meshKey: hexNamed('mesh key'),
    purpose: 'object-key',
  }
  const error = 'CRYPTO_PARCEL_REFUSED'
  const of = 'object-key'
  const openWith = (name: string, parameters: Parameters): NegativeVector => ({
    name,
    of,
    change: { do: 'open-with', parameters },
    error,
  })
  return {
    construction: 'key-parcel',
    format: 'FORMAT.md, section 6; sealed is sender || recipient || nonce || ciphertext || tag',
    positive: [positive('key-parcel', of, open, hexNamed('object key'), 12)],
    negative: [
      openWith('wrong-key: another mesh', { meshKey: hexNamed('another mesh key') }),
      openWith('wrong-recipient', { recipientPrivateKey: hexNamed('another recipient') }),
      openWith('wrong-purpose', { purpose: 'secret' }),
      ...changesOf(of, 124, 76, error),
    ],
  }
}

/** All generated vectors, by the name of their file. */
export function vectorFiles(): ReadonlyMap<string, VectorFile> {
  return new Map([
    ['stream.json', streamVectors()],
    ['object-key.json', envelopeVectors('object-key')],
    ['wrapped-secret.json', envelopeVectors('wrapped-secret')],
    ['record.json', metadataVectors('record')],
    ['summary.json', metadataVectors('summary')],
    ['key-parcel.json', parcelVectors()],
  ])
}

export function vectorText(file: VectorFile): string {
  return `${JSON.stringify(file, undefined, 2)}\n`
}
