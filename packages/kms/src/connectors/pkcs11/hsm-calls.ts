/** Between a connector and the thread that makes its calls of the library. Bytes are copied: each side wipes its own. */
export type HsmCall =
  | { readonly kind: 'open'; readonly pin: Uint8Array }
  /** Ends the library for the whole process. */
  | { readonly kind: 'end' }
  | { readonly kind: 'generate'; readonly id: string; readonly label: string }
  | { readonly kind: 'exists'; readonly id: string }
  | { readonly kind: 'destroy'; readonly id: string }
  | {
      readonly kind: 'encrypt'
      readonly id: string
      readonly plaintext: Uint8Array
      readonly additionalData: Uint8Array
    }
  | {
      readonly kind: 'decrypt'
      readonly id: string
      readonly iv: Uint8Array
      readonly ciphertext: Uint8Array
      readonly additionalData: Uint8Array
    }

/** What a session does. */
export type HsmWork = Exclude<HsmCall, { kind: 'open' | 'end' }>

export interface HsmRequest {
  readonly number: number
  /** Which beginning of the library it is for: sessions of an earlier one are no more. */
  readonly epoch: number
  readonly call: HsmCall
}

export type HsmAnswer = { readonly number: number } & (
  | { readonly kind: 'done'; readonly value: HsmValue }
  /** There is no session, or it is lost: `open` first. */
  | { readonly kind: 'closed' }
  /** `returnValue`: a CKR_ of PKCS #11, or absent where it was not the library that failed. */
  | { readonly kind: 'failed'; readonly returnValue?: number; readonly what: string }
)

/** What failed: there is no such key in the token. */
export const OBJECT_MISSING = 'object missing'

export interface HsmValue {
  readonly exists?: boolean
  /** Of `encrypt`. */
  readonly iv?: Uint8Array
  /** Ciphertext and tag, or plaintext. */
  readonly bytes?: Uint8Array
}

/** What a thread is started with. */
export interface HsmThreadData {
  readonly library: string
  readonly tokenLabel: string
  readonly tokenSerial: string | undefined
}
