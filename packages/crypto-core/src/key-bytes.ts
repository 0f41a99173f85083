/**
 * The one way from a Secret to its bytes, shared by `secret.ts` and `insecure-export.ts` and not exported by the package.
 * A WeakMap and not a field: no inspector, serializer or clone reaches it.
 */
export const KEY_BYTES = new WeakMap<object, Uint8Array>()
