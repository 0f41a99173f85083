import { z } from 'zod'
import { kmsError } from '../../errors.ts'
import { readOptionFile } from '../mutual-tls.ts'
import type { GcpOptions } from './options.ts'

const SCOPE = 'https://www.googleapis.com/auth/cloudkms'

const ServiceAccount = z.looseObject({
  type: z.literal('service_account'),
  client_email: z.string(),
  private_key: z.string(),
})
/** Workload identity federation (AIP-4117). */
const ExternalAccount = z.looseObject({
  type: z.literal('external_account'),
  audience: z.string(),
  subject_token_type: z.string(),
  token_url: z.string(),
  credential_source: z.looseObject({}),
})
const Credentials = z.discriminatedUnion('type', [ServiceAccount, ExternalAccount])

/**
 * Tokens from Google's own library, which keeps each until it expires. Without a file by the rules of Application Default
 * Credentials: GOOGLE_APPLICATION_CREDENTIALS, what `gcloud auth application-default login` left, the metadata server.
 * KMS_OPTIONS_INVALID.
 */
export async function gcpAccessToken({ credentialsFile }: GcpOptions): Promise<() => Promise<string>> {
  const client = await clientOf(credentialsFile)
  return async () => {
    const token = await client().catch((error: unknown) => {
      // Never as a cause: the library's errors hold the request, and with it assertions and tokens.
      throw kmsError(isRefused(error) ? 'KMS_ACCESS_DENIED' : 'KMS_UNAVAILABLE', { reason: 'no-access-token' })
    })
    if (!token) throw kmsError('KMS_ACCESS_DENIED', { reason: 'no-access-token' })
    return token
  }
}

async function clientOf(path: string | undefined): Promise<() => Promise<string | null | undefined>> {
  const { GoogleAuth, IdentityPoolClient, JWT } = await import('google-auth-library')
  if (path === undefined) {
    const auth = new GoogleAuth({ scopes: SCOPE })
    return () => auth.getAccessToken()
  }
  const credentials = Credentials.safeParse(jsonOf(await readOptionFile(path, 'credentialsFile')))
  if (!credentials.success) throw kmsError('KMS_OPTIONS_INVALID', { option: 'credentialsFile', path })
  const client =
    credentials.data.type === 'service_account'
      ? new JWT({ email: credentials.data.client_email, key: credentials.data.private_key, scopes: [SCOPE] })
      : new IdentityPoolClient({ ...credentials.data, scopes: [SCOPE] })
  return async () => (await client.getAccessToken()).token
}

function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString())
  } catch {
    return undefined
  }
}

/** Google answers 400 or 401 to credentials that it does not take (RFC 6749, section 5.2). */
function isRefused(error: unknown): boolean {
  const failure = error as { readonly status?: unknown; readonly response?: { readonly status?: unknown } } | undefined
  const status = failure?.response?.status ?? failure?.status
  return status === 400 || status === 401 || status === 403
}
