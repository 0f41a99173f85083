import type { SecureContext } from 'node:tls'
import type { Logger } from '@coffer/mesh'
import {
  type CertificatePair,
  fingerprintOf,
  listCertificateFolders,
  readCertificatePair,
} from './certificate-files.ts'
import { readTlsMaterial, type TlsMaterial, type TlsSettings, tlsFilesOf } from './tls-settings.ts'

const POLL_INTERVAL_MS = 500
/** Names are chosen by clients: what is remembered of them is bounded. */
const REMEMBERED_NAMES_MAX = 1_000

const DEFAULT_SETTINGS: TlsSettings = {
  tlsMinVersion: 'TLSv1.2',
  tlsCiphers: undefined,
  tlsCurves: undefined,
  clientCertificates: 'off',
  clientCaFile: undefined,
  clientCrlFile: undefined,
}

interface FirstReading {
  readonly fallback: CertificatePair
  readonly fingerprint: string
  readonly settings: TlsSettings
  readonly material: TlsMaterial
}

/**
 * The certificates of `certs/`, read again when the files change. A pair that cannot be used is logged, and what it was
 * before stays in use. Only the default pair must be right at the start (COFFER_CERTIFICATE_INVALID).
 */
export class CertificateStore {
  readonly #directory: string
  readonly #logger: Logger
  readonly #timer: NodeJS.Timeout
  readonly #settings: TlsSettings
  #material: TlsMaterial
  #pairs: ReadonlyMap<string, CertificatePair>
  #fallback: CertificatePair
  #loaded: string
  #seen: string
  #isPolling = false
  readonly #chosen = new Map<string, SecureContext>()
  readonly #listeners: ((fallback: CertificatePair) => void)[] = []

  static async open(
    certsDirectory: string,
    logger: Logger,
    settings: TlsSettings = DEFAULT_SETTINGS,
  ): Promise<CertificateStore> {
    const fingerprint = await fingerprintOf(certsDirectory, tlsFilesOf(settings))
    const material = await readTlsMaterial(settings, certsDirectory)
    const fallback = await readCertificatePair(certsDirectory, '', material)
    const store = new CertificateStore(certsDirectory, logger, { fallback, fingerprint, settings, material })
    await store.#load()
    return store
  }

  private constructor(directory: string, logger: Logger, first: FirstReading) {
    const { fallback, fingerprint, settings, material } = first
    this.#directory = directory
    this.#logger = logger
    this.#settings = settings
    this.#material = material
    this.#fallback = fallback
    this.#pairs = new Map([['', fallback]])
    this.#loaded = fingerprint
    this.#seen = fingerprint
    this.#timer = setInterval(() => void this.#poll(), POLL_INTERVAL_MS)
    this.#timer.unref()
  }

  /** What a client gets that names no server. */
  get fallback(): CertificatePair {
    return this.#fallback
  }

  /** For the server name a client sent (RFC 6066, section 3): the folder of this name, else a certificate made for it. */
  contextFor(serverName: string): SecureContext {
    const known = this.#chosen.get(serverName)
    if (known) return known
    const context = this.#choose(serverName).context
    if (this.#chosen.size >= REMEMBERED_NAMES_MAX) this.#chosen.clear()
    this.#chosen.set(serverName, context)
    return context
  }

  /** What a server is given beside its certificate. */
  get material(): TlsMaterial {
    return this.#material
  }

  get clientCertificates(): TlsSettings['clientCertificates'] {
    return this.#settings.clientCertificates
  }

  /** Reads everything again now, whether or not it has changed. */
  async reload(): Promise<void> {
    await this.#load()
    for (const listener of this.#listeners) listener(this.#fallback)
  }

  /** `listener` is called with the default pair after each reload. */
  onChange(listener: (fallback: CertificatePair) => void): void {
    this.#listeners.push(listener)
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #choose(serverName: string): CertificatePair {
    const named = serverName && this.#pairs.get(serverName.toLowerCase())
    if (named) return named
    const others = [...this.#pairs.values()].filter(({ folder }) => folder !== '')
    return others.find(({ x509 }) => x509.checkHost(serverName) !== undefined) ?? this.#fallback
  }

  /** Reads again only what has come to rest: a certificate and its key are two files, written one after the other. */
  async #poll(): Promise<void> {
    if (this.#isPolling) return
    this.#isPolling = true
    try {
      const fingerprint = await fingerprintOf(this.#directory, tlsFilesOf(this.#settings))
      const isAtRest = fingerprint === this.#seen
      this.#seen = fingerprint
      if (!isAtRest || fingerprint === this.#loaded) return
      this.#loaded = fingerprint
      await this.reload()
    } catch (error) {
      this.#logger.error({ err: error }, 'the certificates cannot be looked at; those in use stay')
    } finally {
      this.#isPolling = false
    }
  }

  async #load(): Promise<void> {
    try {
      this.#material = await readTlsMaterial(this.#settings, this.#directory)
    } catch (error) {
      this.#logger.error({ err: error }, 'whom to trust as a client cannot be read; what was read before stays')
    }
    const pairs = new Map<string, CertificatePair>()
    for (const folder of await listCertificateFolders(this.#directory)) {
      const pair = await this.#readOrKeep(folder)
      if (pair) pairs.set(folder.toLowerCase(), pair)
    }
    this.#pairs = pairs
    this.#fallback = pairs.get('') ?? this.#fallback
    this.#chosen.clear()
  }

  async #readOrKeep(folder: string): Promise<CertificatePair | undefined> {
    const before = this.#pairs.get(folder.toLowerCase())
    try {
      const pair = await readCertificatePair(this.#directory, folder, this.#material)
      if (pair.x509.fingerprint256 !== before?.x509.fingerprint256) {
        this.#logger.info({ folder, subject: pair.x509.subject, validTo: pair.x509.validTo }, 'certificate in use')
      }
      return pair
    } catch (error) {
      this.#logger.error({ err: error, folder }, 'a certificate cannot be used; the one before it stays')
      return before
    }
  }
}
