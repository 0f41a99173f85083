import { Secret } from '@coffer/crypto-core'
import { CofferError, type CofferErrorShape } from '@coffer/errors'
import { decode, Encoder } from 'cbor-x'
import { meshError } from './errors.ts'

/** What an action returns: errors travel as values, so that their codes survive any transporter. */
export type Outcome = { readonly value: unknown } | { readonly error: CofferErrorShape }

const encoder = new Encoder({ useRecords: false, tagUint8Array: false })
const DEPTH_MAX = 16

/** CBOR (RFC 8949) of a call's arguments or outcome. A Secret in it is a bug that must not become a leak. */
export function encodeWire(value: unknown): Buffer {
  assertNoSecret(value, 0)
  return encoder.encode(value)
}

export function decodeWire(bytes: Uint8Array): unknown {
  return decode(bytes)
}

/** An error as another process may see it: ours with code and details, any other without its inside. */
export function errorShapeOf(error: unknown): CofferErrorShape {
  return error instanceof CofferError ? error.toJSON() : meshError('MESH_CALL_FAILED').toJSON()
}

function assertNoSecret(value: unknown, depth: number): void {
  if (value instanceof Secret) throw meshError('MESH_SECRET_IN_CALL')
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || depth > DEPTH_MAX) return
  for (const inner of Object.values(value)) assertNoSecret(inner, depth + 1)
}
