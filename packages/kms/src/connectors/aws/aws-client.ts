import { readFile } from 'node:fs/promises'
import { KMSClient, type KMSClientConfig } from '@aws-sdk/client-kms'
import { kmsError } from '../../errors.ts'
import { systemTiming } from '../../resilient/timing.ts'
import { withinTime } from '../../resilient/within-time.ts'
import { cofferErrorOf } from './aws-errors.ts'
import type { AwsOptions } from './options.ts'

/** The SDK asks anew five minutes before the end: a secret that is replaced in its file is found by then. */
const SECRET_LIFE_MS = 10 * 60 * 1000

/** The SDK writes warnings to the console where it is given nothing else. */
const SILENT = {
  trace: () => undefined,
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
}

type Send<T> = (client: KMSClient, options: { abortSignal: AbortSignal }) => Promise<T>

/** AWS's client for KMS, with a time-out for every call and nothing in its errors but a code and what is known to be harmless. */
export class AwsClient {
  readonly #client: KMSClient
  readonly #timeoutMs: number

  private constructor(client: KMSClient, timeoutMs: number) {
    this.#client = client
    this.#timeoutMs = timeoutMs
  }

  /** Calls nobody. KMS_OPTIONS_INVALID without a region, or if the CA file cannot be read. */
  static async open(options: AwsOptions): Promise<AwsClient> {
    const client = new KMSClient(await configurationOf(options))
    try {
      await client.config.region()
    } catch {
      throw kmsError('KMS_OPTIONS_INVALID', { option: 'region' })
    }
    return new AwsClient(client, options.timeoutMs)
  }

  get timeoutMs(): number {
    return this.#timeoutMs
  }

  /** `details` go into the error, if it comes to one. */
  async call<T>(details: Readonly<Record<string, string>>, send: Send<T>): Promise<T> {
    const abortSignal = AbortSignal.timeout(this.#timeoutMs)
    const limit = {
      // The credential chain takes no notice of the signal.
      limitMs: this.#timeoutMs,
      expired: () => kmsError('KMS_UNAVAILABLE', { ...details, reason: 'timed-out' }),
      discard: wipePlaintext,
    }
    try {
      return await withinTime(() => send(this.#client, { abortSignal }), limit, systemTiming)
    } catch (error) {
      throw cofferErrorOf(error, details)
    }
  }

  close(): void {
    this.#client.destroy()
  }
}

/** Of an answer that nobody gets: it came too late, or was not what was asked for. */
export function wipePlaintext(answer: unknown): void {
  const { Plaintext } = answer as { Plaintext?: unknown }
  if (Plaintext instanceof Uint8Array) Plaintext.fill(0)
}

async function configurationOf(options: AwsOptions): Promise<KMSClientConfig> {
  const { region, endpoint, fips, profile, caFile, timeoutMs, maxSockets } = options
  const ca = caFile === undefined ? undefined : await readText(caFile, 'caFile')
  return {
    ...(region !== undefined && { region }),
    ...(endpoint !== undefined && { endpoint }),
    ...(fips && { useFipsEndpoint: true }),
    ...(profile !== undefined && { profile }),
    ...credentialsOf(options),
    // Whoever asks this connector tries again, if anyone does.
    maxAttempts: 1,
    logger: SILENT,
    requestHandler: {
      connectionTimeout: timeoutMs,
      requestTimeout: timeoutMs,
      throwOnRequestTimeout: true,
      logger: SILENT,
      httpAgent: { maxSockets },
      httpsAgent: { maxSockets, ...(ca !== undefined && { ca }) },
    },
  }
}

/** The SDK takes a secret as a string only. */
function credentialsOf({ accessKeyId, secretAccessKeyFile }: AwsOptions): Pick<KMSClientConfig, 'credentials'> {
  if (accessKeyId === undefined || secretAccessKeyFile === undefined) return {}
  return {
    credentials: async () => {
      const secretAccessKey = (await readText(secretAccessKeyFile, 'secretAccessKeyFile')).trim()
      return { accessKeyId, secretAccessKey, expiration: new Date(Date.now() + SECRET_LIFE_MS) }
    },
  }
}

async function readText(path: string, option: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => {
    throw kmsError('KMS_OPTIONS_INVALID', { option, path })
  })
}
