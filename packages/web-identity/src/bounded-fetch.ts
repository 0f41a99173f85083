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

/**
 * `fetch` for what a stranger answers: no redirects, which could lead a server to addresses that nobody configured, and no more
 * than a MiB. WEB_IDENTITY_PROVIDER_UNREACHABLE, WEB_IDENTITY_PROVIDER_INVALID.
 */
export async function boundedFetch(url: string, options: FetchOptions = {}): Promise<Response> {
  const { signal, body: sent, ...rest } = options
  const init: RequestInit = { ...rest, redirect: 'manual', ...(signal && { signal }), ...(sent && { body: sent }) }
  try {
    const answer = await fetch(url, init)
    const body = await readBounded(answer)
    const empty = answer.status === 204 || answer.status === 205 || answer.status === 304
    return new Response(empty ? null : body, { status: answer.status, headers: answer.headers })
  } catch (cause) {
    if (cause instanceof TooLarge) throw webIdentityError('WEB_IDENTITY_PROVIDER_INVALID', { url: originOf(url) })
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
