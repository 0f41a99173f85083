/** What Vault answered, understood as far as HTTP goes. */
export type VaultAnswer =
  | { readonly kind: 'ok'; readonly body: Readonly<Record<string, unknown>> }
  | { readonly kind: 'not-found' }
  /** Nothing is mounted there. */
  | { readonly kind: 'no-route' }
  | { readonly kind: 'refused' }

export type VaultMethod = 'GET' | 'POST' | 'LIST'

/** The token is not, or not any more, one that may do this. */
export class VaultTokenRefused extends Error {}
