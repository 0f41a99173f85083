import { Secret } from '@coffer/crypto-core'
import { kmsError } from '../../errors.ts'
import type { GcmSealed } from '../gcm-objects/gcm-objects.ts'
import type { ObjectState } from '../key-objects/key-objects.ts'
import { KmipConnections, RESPONSE_BYTES_MAX } from './connections.ts'
import {
  boolean,
  bytes,
  bytesIn,
  childrenOf,
  decodeResponse,
  encodeRequest,
  enumeration,
  integer,
  itemsIn,
  type KmipOutcome,
  numberIn,
  type ProtocolVersion,
  protocolVersion,
  structure,
  text,
  textIn,
} from './messages.ts'
import type { KmipOptions } from './options.ts'
import type { TtlvItem } from './ttlv.ts'
import * as kmip from './vocabulary.ts'

const { TAG } = kmip
const KEY_BITS = 256
const TAG_BYTES = 16
const NEEDED_OPERATIONS = ['create', 'locate', 'getAttributes', 'activate', 'encrypt', 'decrypt'] as const

const VERSIONS = {
  '1.4': { major: 1, minor: 4 },
  '2.0': { major: 2, minor: 0 },
} as const satisfies Record<KmipOptions['protocolVersion'], ProtocolVersion>

/** What AES-GCM makes of a plaintext. */
/** The server refused an operation; `reason` is one of KMIP's result reasons. */
export class KmipRefused extends Error {
  readonly reason: number

  constructor(reason: number) {
    super('refused')
    this.reason = reason
  }
}

type Payload = readonly TtlvItem[]

/** The operations of KMIP that the connector uses. KmipRefused, KMS_UNAVAILABLE, KMS_ACCESS_DENIED. */
export class KmipClient {
  readonly #version: ProtocolVersion
  readonly #connections: KmipConnections

  private constructor(version: ProtocolVersion, connections: KmipConnections) {
    this.#version = version
    this.#connections = connections
  }

  /** KMS_OPTIONS_INVALID. */
  static async open(options: KmipOptions): Promise<KmipClient> {
    return new KmipClient(VERSIONS[options.protocolVersion], await KmipConnections.open(options))
  }

  /** A new AES-256 key that may encrypt and decrypt, and its unique identifier. */
  async createKey(name: string): Promise<string> {
    const attributes = [
      ['Cryptographic Algorithm', enumeration(TAG.cryptographicAlgorithm, kmip.ALGORITHM_AES)],
      ['Cryptographic Length', integer(TAG.cryptographicLength, KEY_BITS)],
      ['Cryptographic Usage Mask', integer(TAG.cryptographicUsageMask, kmip.USAGE_ENCRYPT_DECRYPT)],
      ['Name', nameItem(name)],
    ] as const
    const made =
      this.#version.major >= 2
        ? structure(TAG.attributes, ...attributes.map(([, item]) => item))
        : structure(TAG.templateAttribute, ...attributes.map(([label, item]) => attributeOf(label, item)))
    const payload = [enumeration(TAG.objectType, kmip.OBJECT_TYPE_SYMMETRIC_KEY), made]
    return this.#call('create', payload, (answer) => known(textIn(answer, TAG.uniqueIdentifier)))
  }

  isNameTaken(name: string): Promise<boolean> {
    const wanted =
      this.#version.major >= 2 ? structure(TAG.attributes, nameItem(name)) : attributeOf('Name', nameItem(name))
    const payload = [integer(TAG.maximumItems, 1), wanted]
    return this.#call('locate', payload, (answer) => itemsIn(answer, TAG.uniqueIdentifier).length > 0)
  }

  activate(id: string): Promise<void> {
    return this.#call('activate', [text(TAG.uniqueIdentifier, id)], () => undefined)
  }

  stateOf(id: string): Promise<ObjectState> {
    return this.#call('getAttributes', [text(TAG.uniqueIdentifier, id)], (answer) => {
      const state = known(stateIn(answer))
      if (kmip.STATES_DESTROYED.includes(state)) return 'destroyed'
      return state === kmip.STATE_ACTIVE ? 'active' : 'inactive'
    })
  }

  async revoke(id: string): Promise<void> {
    const code = enumeration(TAG.revocationReasonCode, kmip.REVOCATION_CESSATION_OF_OPERATION)
    const payload = [text(TAG.uniqueIdentifier, id), structure(TAG.revocationReason, code)]
    await this.#call('revoke', payload, () => undefined)
  }

  destroy(id: string): Promise<void> {
    return this.#call('destroy', [text(TAG.uniqueIdentifier, id)], () => undefined)
  }

  /** AES-GCM; the server chooses the nonce. */
  encrypt(id: string, plaintext: Uint8Array, additionalData: Uint8Array): Promise<GcmSealed> {
    const payload = [
      text(TAG.uniqueIdentifier, id),
      gcmParameters(boolean(TAG.randomIv, true)),
      bytes(TAG.data, plaintext),
      bytes(TAG.additionalData, additionalData),
    ]
    return this.#call('encrypt', payload, (answer) => ({
      iv: copyIn(answer, TAG.ivCounterNonce),
      tag: copyIn(answer, TAG.authenticationTag),
      data: copyIn(answer, TAG.data),
    }))
  }

  decrypt(id: string, { iv, tag, data }: GcmSealed, additionalData: Uint8Array): Promise<Secret> {
    const payload = [
      text(TAG.uniqueIdentifier, id),
      gcmParameters(),
      bytes(TAG.data, data),
      bytes(TAG.ivCounterNonce, iv),
      bytes(TAG.additionalData, additionalData),
      bytes(TAG.authenticationTag, tag),
    ]
    return this.#call('decrypt', payload, (answer) => Secret.copyOf(known(bytesIn(answer, TAG.data))))
  }

  /** KMS_NOT_SUPPORTED unless the server speaks this version and knows the operations. */
  async assertSuitable(): Promise<void> {
    const isSpoken = await this.#call('discoverVersions', [protocolVersion(this.#version)], (answer) =>
      itemsIn(answer, TAG.protocolVersion).some((item) => this.#isVersion(childrenOf(item) ?? [])),
    )
    if (!isSpoken) throw kmsError('KMS_NOT_SUPPORTED', { option: 'protocolVersion' })
    const queried = [enumeration(TAG.queryFunction, kmip.QUERY_OPERATIONS)]
    const operations = await this.#call('query', queried, (answer) =>
      itemsIn(answer, TAG.operation).map(({ value }) => value),
    )
    const missing = NEEDED_OPERATIONS.filter((operation) => !operations.includes(kmip.OPERATION[operation]))
    if (missing.length > 0) throw kmsError('KMS_NOT_SUPPORTED', { operations: missing.join(', ') })
  }

  close(): void {
    this.#connections.close()
  }

  #isVersion(items: Payload): boolean {
    const { major, minor } = this.#version
    return numberIn(items, TAG.protocolVersionMajor) === major && numberIn(items, TAG.protocolVersionMinor) === minor
  }

  /** Takes from the answer what it is wanted for; the message, which can hold a key, is wiped then. */
  async #call<T>(operation: kmip.OperationName, payload: Payload, take: (answer: Payload) => T): Promise<T> {
    const request = encodeRequest(this.#version, operation, payload, RESPONSE_BYTES_MAX)
    const response = await this.#connections.exchange(request)
    try {
      const outcome: KmipOutcome = decodeResponse(response, operation)
      if (outcome.kind === 'failed') throw new KmipRefused(outcome.reason)
      return take(outcome.payload)
    } finally {
      response.fill(0)
    }
  }
}

function nameItem(name: string): TtlvItem {
  return structure(TAG.name, text(TAG.nameValue, name), enumeration(TAG.nameType, kmip.NAME_TYPE_TEXT))
}

/** KMIP 1 names its attributes by text; their values all have one tag. */
function attributeOf(label: string, item: TtlvItem): TtlvItem {
  return structure(TAG.attribute, text(TAG.attributeName, label), { ...item, tagCode: TAG.attributeValue })
}

function stateIn(answer: Payload): number | undefined {
  const attributes = childrenOf(itemsIn(answer, TAG.attributes)[0])
  if (attributes !== undefined) return numberIn(attributes, TAG.state)
  const named = itemsIn(answer, TAG.attribute).map((item) => childrenOf(item) ?? [])
  const state = named.find((attribute) => textIn(attribute, TAG.attributeName) === 'State')
  return state && numberIn(state, TAG.attributeValue)
}

function gcmParameters(...more: readonly TtlvItem[]): TtlvItem {
  return structure(
    TAG.cryptographicParameters,
    enumeration(TAG.blockCipherMode, kmip.BLOCK_CIPHER_MODE_GCM),
    enumeration(TAG.cryptographicAlgorithm, kmip.ALGORITHM_AES),
    ...more,
    integer(TAG.tagLength, TAG_BYTES),
  )
}

function copyIn(answer: Payload, tagCode: number): Uint8Array {
  return Uint8Array.from(known(bytesIn(answer, tagCode)))
}

/** KMS_UNAVAILABLE for an answer that lacks what it is asked for. */
function known<T>(value: T | undefined): T {
  if (value === undefined) throw kmsError('KMS_UNAVAILABLE')
  return value
}
