import { isCofferError } from '@coffer/errors'
import { Agent, type RequestInit as UndiciRequestInit, fetch as undiciFetch } from 'undici'
import type { AddressGuard } from './address-guard.ts'
import { webIdentityError } from './errors.ts'

/** A key set of a provider with many keys has some tens of KiB. */
const ANSWER_BYTES_MAX = 1024 * 1024

/** What openid-client and jose ask with. */
export interface FetchOptions {
  readonly method?: string
  readonly headers?: Headers | Record<string, string>
  readonly body?: RequestInit['body'] | undefined
  readonly signal?: AbortSignal | undefined
}

export type BoundedFetch = (url: string, options?: FetchOptions) => Promise<Response>

/**
 * `fetch` for what a stranger answers: no redirects, which could lead a server to addresses that nobody configured, and no more
 * than a MiB. WEB_IDENTITY_PROVIDER_UNREACHABLE, WEB_IDENTITY_PROVIDER_INVALID.
 */
export const boundedFetch: BoundedFetch = (url, options = {}) => bounded(url, options, fetch)

/** The same, only to where the guard lets it. And WEB_IDENTITY_PROVIDER_REFUSED. */
export function guardedFetch(guard: AddressGuard): BoundedFetch {
  // Connections are not kept: one that was made for a name says nothing of where the name is now.
  const dispatcher = new Agent({ connect: { lookup: guard.lookup }, pipelining: 0 })
  return async (url, options = {}) => {
    guard.assertAllowed(new URL(url))
    const send = (address: string, init: RequestInit) =>
      undiciFetch(address, { ...init, dispatcher } as UndiciRequestInit) as unknown as Promise<Response>
    return await bounded(url, options, send)
  }
}

async function bounded(
  url: string,
  { signal, body: sent, ...rest }: FetchOptions,
  send: (url: string, init: RequestInit) => Promise<Response>,
): Promise<Response> {
  const init: RequestInit = { ...rest, redirect: 'manual', ...(signal && { signal }), ...(sent && { body: sent }) }
  try {
    const answer = await send(url, init)
    const body = await readBounded(answer)
    const empty = answer.status === 204 || answer.status === 205 || answer.status === 304
    return new Response(empty ? null : body, { status: answer.status, headers: [...answer.headers] })
  } catch (cause) {
    if (cause instanceof TooLarge) throw webIdentityError('WEB_IDENTITY_PROVIDER_INVALID', { url: originOf(url) })
    const refusal = cause instanceof Error && cause.cause
    if (isCofferError(refusal, 'WEB_IDENTITY_PROVIDER_REFUSED')) throw refusal
    throw webIdentityError('WEB_IDENTITY_PROVIDER_UNREACHABLE', { url: originOf(url) }, { cause })
  }
}

class TooLarge extends Error {}

async function readBounded({ body }: Response): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array[] = []
  let sizeBytes = 0
  for await (const piece of body ?? []) {
    sizeBytes += piece.length
    // Leaving the loop cancels the rest.
    if (sizeBytes > ANSWER_BYTES_MAX) throw new TooLarge()
    pieces.push(piece)
  }
  return new Uint8Array(Buffer.concat(pieces))
}

/** Paths and queries can hold codes and tokens: errors name the origin alone. */
function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : ''
}
