import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { INetworkModule, NetworkRequestOptions, NetworkResponse } from '@azure/msal-node'
import { isCofferError } from '@coffer/errors'
import { type Dispatcher, request } from 'undici'
import { kmsError } from '../../errors.ts'
import { readOptionFile } from '../mutual-tls.ts'
import { dispatcherFor } from '../rest/bearer-client.ts'
import type { AzureOptions } from './options.ts'

const KEY_VAULT = 'https://vault.azure.net'
const MANAGED_HSM = 'https://managedhsm.azure.net'

export interface AzureTokens {
  accessToken(): Promise<string>
  close(): Promise<void>
}

/** Tokens from Microsoft's own library, which keeps each until it is about to expire. KMS_OPTIONS_INVALID. */
export async function azureTokens(options: AzureOptions): Promise<AzureTokens> {
  const dispatcher = dispatcherFor(options.caFile)
  const acquire = await acquirer(options, new Network(dispatcher, options.timeoutMs))
  return {
    async accessToken() {
      try {
        const token = await acquire()
        if (token) return token
      } catch (error) {
        // Never as a cause: what the library tells may hold an assertion or a token.
        if (isCofferError(error)) throw error
        throw kmsError(isRefused(error) ? 'KMS_ACCESS_DENIED' : 'KMS_UNAVAILABLE', { reason: 'no-access-token' })
      }
      throw kmsError('KMS_ACCESS_DENIED', { reason: 'no-access-token' })
    },
    close: () => dispatcher.destroy(),
  }
}

type Acquire = () => Promise<string | undefined>

async function acquirer(options: AzureOptions, networkClient: INetworkModule): Promise<Acquire> {
  const { auth, keyType } = options
  const { ConfidentialClientApplication, ManagedIdentityApplication } = await import('@azure/msal-node')
  const resource = options.resource ?? (keyType === 'oct-HSM' ? MANAGED_HSM : KEY_VAULT)
  if (auth.method === 'managedIdentity') {
    const application = new ManagedIdentityApplication({
      ...(auth.clientId !== undefined && { managedIdentityIdParams: { userAssignedClientId: auth.clientId } }),
      system: { networkClient },
    })
    return async () => (await application.acquireToken({ resource })).accessToken
  }
  const application = new ConfidentialClientApplication({
    auth: {
      clientId: auth.clientId,
      authority: `${options.authorityHost}/${auth.tenantId}`,
      // The host is the administrator's word: Microsoft's list of its own hosts is not asked for.
      knownAuthorities: [new URL(options.authorityHost).host],
      ...(await credentialOf(auth)),
    },
    system: { networkClient },
  })
  return async () =>
    (await application.acquireTokenByClientCredential({ scopes: [`${resource}/.default`] }))?.accessToken
}

async function credentialOf(auth: Exclude<AzureOptions['auth'], { method: 'managedIdentity' }>) {
  switch (auth.method) {
    case 'secret':
      return { clientSecret: (await readOptionFile(auth.secretFile, 'secretFile')).toString().trim() }
    case 'certificate': {
      const certificate = certificateIn(await readOptionFile(auth.certFile, 'certFile'), auth.certFile)
      const privateKey = (await readOptionFile(auth.keyFile, 'keyFile')).toString()
      return {
        clientCertificate: { thumbprintSha256: certificate.fingerprint256.replaceAll(':', ''), privateKey },
      }
    }
    case 'workloadIdentity':
      // Read for each new token: whoever issues it renews the file.
      return { clientAssertion: () => readAssertion(auth.tokenFile) }
  }
}

async function readAssertion(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => {
    throw kmsError('KMS_OPTIONS_INVALID', { option: 'tokenFile', path })
  })
  return text.trim()
}

function certificateIn(pem: Buffer, path: string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch {
    throw kmsError('KMS_OPTIONS_INVALID', { option: 'certFile', path })
  }
}

/** Entra refused what Coffer says of itself (MSAL, ServerError), in contrast to not being there. */
function isRefused(error: unknown): boolean {
  return error instanceof Error && ['ServerError', 'InteractionRequiredAuthError'].includes(error.name)
}

/** MSAL's requests over a connection of ours: with our certificates and our time-out. */
class Network implements INetworkModule {
  readonly #dispatcher: Dispatcher
  readonly #timeoutMs: number

  constructor(dispatcher: Dispatcher, timeoutMs: number) {
    this.#dispatcher = dispatcher
    this.#timeoutMs = timeoutMs
  }

  sendGetRequestAsync<T>(url: string, options?: NetworkRequestOptions): Promise<NetworkResponse<T>> {
    return this.#send('GET', url, options)
  }

  sendPostRequestAsync<T>(url: string, options?: NetworkRequestOptions): Promise<NetworkResponse<T>> {
    return this.#send('POST', url, options)
  }

  async #send<T>(method: 'GET' | 'POST', url: string, options?: NetworkRequestOptions): Promise<NetworkResponse<T>> {
    const answer = await request(url, {
      method,
      dispatcher: this.#dispatcher,
      signal: AbortSignal.timeout(this.#timeoutMs),
      ...(options?.headers && { headers: options.headers }),
      ...(options?.body !== undefined && { body: options.body }),
    })
    const headers = Object.fromEntries(
      Object.entries(answer.headers).map(([name, value]) => [
        name,
        Array.isArray(value) ? value.join(', ') : `${value}`,
      ]),
    )
    return { headers, status: answer.statusCode, body: (await answer.body.json()) as T }
  }
}
