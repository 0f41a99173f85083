import type { Handle, PKCS11, Template } from 'pkcs11js'
import type { HsmCall, HsmThreadData, HsmValue, HsmWork } from './hsm-calls.ts'

/** Names of PKCS #11 v2.40 (OASIS), with the values that it gives them. */
const CKA = {
  class: 0x000,
  token: 0x001,
  private: 0x002,
  label: 0x003,
  keyType: 0x100,
  id: 0x102,
  sensitive: 0x103,
  encrypt: 0x104,
  decrypt: 0x105,
  wrap: 0x106,
  unwrap: 0x107,
  valueLength: 0x161,
  extractable: 0x162,
}
const CKO_SECRET_KEY = 4
const CKK_AES = 0x1f
const CKM_AES_KEY_GEN = 0x1080
const CKM_AES_GCM = 0x1087
const CKF_SERIAL_AND_RW_SESSION = 6
const CKF_OS_LOCKING_OK = 2
const CKU_USER = 1
const CKR_CRYPTOKI_ALREADY_INITIALIZED = 0x191
const CKR_USER_ALREADY_LOGGED_IN = 0x100
/** How pkcs11js names the structure CK_GCM_PARAMS of v2.40. */
const CK_PARAMS_AES_GCM_v240 = 7

const KEY_BYTES = 32
const IV_BYTES = 12
const TAG_BYTES = 16

/** The token is not there: told apart from what the library returns. */
export class TokenMissing extends Error {}
/** A key of this id is not in the token. */
export class ObjectMissing extends Error {}

/** One session with a token, in the thread that opened it. Every call of the library blocks its thread. */
export class TokenSession {
  readonly #library: PKCS11
  readonly #session: Handle
  readonly #objects = new Map<string, Handle>()

  private constructor(library: PKCS11, session: Handle) {
    this.#library = library
    this.#session = session
  }

  static open(library: PKCS11, token: HsmThreadData, pin: Uint8Array): TokenSession {
    ignoring(CKR_CRYPTOKI_ALREADY_INITIALIZED, () => library.C_Initialize({ flags: CKF_OS_LOCKING_OK }))
    const slots = library.C_GetSlotList(true)
    const slot = slots.find((candidate) => {
      const { label, serialNumber } = library.C_GetTokenInfo(candidate)
      const isSerial = token.tokenSerial === undefined || serialNumber.trim() === token.tokenSerial
      return label.trim() === token.tokenLabel && isSerial
    })
    if (slot === undefined) throw new TokenMissing()
    library.C_GetMechanismInfo(slot, CKM_AES_GCM)
    const session = library.C_OpenSession(slot, CKF_SERIAL_AND_RW_SESSION)
    try {
      // Who is logged in is so in every session of the process.
      ignoring(CKR_USER_ALREADY_LOGGED_IN, () =>
        library.C_Login(session, CKU_USER, Buffer.from(pin.buffer, pin.byteOffset, pin.length).toString('utf8')),
      )
      return new TokenSession(library, session)
    } catch (error) {
      library.C_CloseSession(session)
      throw error
    }
  }

  run(call: HsmWork): HsmValue {
    switch (call.kind) {
      case 'generate':
        this.#generate(call.id, call.label)
        return {}
      case 'exists':
        return { exists: this.#find(call.id) !== undefined }
      case 'destroy':
        return this.#destroy(call.id)
      case 'encrypt':
        return this.#encrypt(call)
      case 'decrypt':
        return this.#decrypt(call)
    }
  }

  /** A handle may have come to mean nothing, where another process has changed the token. */
  forgetObjects(): void {
    this.#objects.clear()
  }

  #generate(id: string, label: string): void {
    const template: Template = [
      { type: CKA.class, value: CKO_SECRET_KEY },
      { type: CKA.keyType, value: CKK_AES },
      { type: CKA.id, value: Buffer.from(id, 'hex') },
      { type: CKA.label, value: label },
      { type: CKA.valueLength, value: KEY_BYTES },
      { type: CKA.token, value: true },
      { type: CKA.private, value: true },
      { type: CKA.sensitive, value: true },
      { type: CKA.extractable, value: false },
      { type: CKA.encrypt, value: true },
      { type: CKA.decrypt, value: true },
      { type: CKA.wrap, value: false },
      { type: CKA.unwrap, value: false },
    ]
    const mechanism = { mechanism: CKM_AES_KEY_GEN }
    this.#objects.set(id, this.#library.C_GenerateKey(this.#session, mechanism, template))
  }

  #destroy(id: string): HsmValue {
    const object = this.#find(id)
    if (object !== undefined) this.#library.C_DestroyObject(this.#session, object)
    this.#objects.delete(id)
    return {}
  }

  #encrypt({ id, plaintext, additionalData }: Extract<HsmCall, { kind: 'encrypt' }>): HsmValue {
    const iv = this.#library.C_GenerateRandom(this.#session, Buffer.alloc(IV_BYTES))
    this.#library.C_EncryptInit(this.#session, gcm(iv, additionalData), this.#object(id))
    const out = Buffer.alloc(plaintext.length + TAG_BYTES)
    return { iv, bytes: this.#library.C_Encrypt(this.#session, bufferOf(plaintext), out) }
  }

  #decrypt({ id, iv, ciphertext, additionalData }: Extract<HsmCall, { kind: 'decrypt' }>): HsmValue {
    this.#library.C_DecryptInit(this.#session, gcm(bufferOf(iv), additionalData), this.#object(id))
    return { bytes: this.#library.C_Decrypt(this.#session, bufferOf(ciphertext), Buffer.alloc(ciphertext.length)) }
  }

  #object(id: string): Handle {
    const object = this.#objects.get(id) ?? this.#find(id)
    if (object === undefined) throw new ObjectMissing()
    this.#objects.set(id, object)
    return object
  }

  #find(id: string): Handle | undefined {
    this.#library.C_FindObjectsInit(this.#session, [
      { type: CKA.class, value: CKO_SECRET_KEY },
      { type: CKA.id, value: Buffer.from(id, 'hex') },
    ])
    try {
      return this.#library.C_FindObjects(this.#session) ?? undefined
    } finally {
      this.#library.C_FindObjectsFinal(this.#session)
    }
  }
}

function gcm(iv: Buffer, additionalData: Uint8Array) {
  const parameter = {
    type: CK_PARAMS_AES_GCM_v240,
    iv,
    ivBits: iv.length * 8,
    aad: bufferOf(additionalData),
    tagBits: TAG_BYTES * 8,
  }
  return { mechanism: CKM_AES_GCM, parameter }
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

function ignoring(returnValue: number, call: () => void): void {
  try {
    call()
  } catch (error) {
    if (returnValueOf(error) !== returnValue) throw error
  }
}

/** The CKR_ that the library returned; undefined for another error. */
export function returnValueOf(error: unknown): number | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : undefined
}
