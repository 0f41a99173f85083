import type { KeyParcelSealed, Secret } from '@coffer/crypto-core'

/**
 * A key on its way from one service to another. In one process it is the secret itself; between processes it is sealed
 * to the X25519 session of the process that asked (`KeyCourier`), so that NATS never sees a key.
 */
export type KeyParcel = { readonly kind: 'local'; readonly secret: Secret } | KeyParcelSealed

/** Who asks for a key: the id of its process, and the public key of its current session. */
export interface KeyRecipient {
  readonly processId: string
  readonly publicKey: Uint8Array
}
