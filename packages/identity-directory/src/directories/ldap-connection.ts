import { connect as connectPlain, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { Client } from 'ldapts'
import { directoryError } from '../errors.ts'
import type { LdapOptions } from './ldap-options.ts'

const CONNECTION_LOST = 'connection lost'
/** Why a connection was closed is told after that it was. */
const CAUSE_WAIT_MS = 50

/**
 * One connection for one login. ldapts connects again by itself where a connection has been cut, without TLS where that was begun by
 * StartTLS: whoever can cut one would get the password in the clear. Here the second connection is refused.
 */
export class LdapConnection {
  readonly client: Client
  readonly #options: LdapOptions
  readonly #ca: string | undefined
  readonly #lost = Promise.withResolvers<never>()
  #socket: Socket | undefined

  constructor(options: LdapOptions, ca: string | undefined) {
    this.#options = options
    this.#ca = ca
    const timeout = options.timeoutSeconds * 1_000
    const isTls = options.url.startsWith('ldaps:')
    this.client = new Client({
      url: options.url,
      timeout,
      connectTimeout: timeout,
      strictDN: false,
      ...(isTls && { tlsOptions: this.#tlsOptions() }),
      createConnection: ((...args: Parameters<typeof connectPlain>) =>
        this.#only(() => connectPlain(...args))) as typeof connectPlain,
      ...(isTls && {
        createSecureConnection: ((...args: Parameters<typeof connectTls>) =>
          this.#only(() => connectTls(...args))) as typeof connectTls,
      }),
    })
  }

  async open(): Promise<void> {
    const { url, startTls } = this.#options
    if (!url.startsWith('ldaps:') && startTls) await this.client.startTLS(this.#tlsOptions())
  }

  /** DIRECTORY_UNAVAILABLE when the connection is lost, or it takes longer than the options say, wherever it hangs. */
  async withinTime<T>(work: () => Promise<T>): Promise<T> {
    const timer = setTimeout(() => this.#lose('timeout'), this.#options.timeoutSeconds * 1_000)
    const working = work()
    // Whichever comes second is nobody's business.
    for (const promise of [working, this.#lost.promise]) promise.catch(() => undefined)
    try {
      return await Promise.race([working, this.#lost.promise])
    } finally {
      clearTimeout(timer)
    }
  }

  close(): void {
    this.#socket?.destroy()
  }

  #only<S extends Socket>(connect: () => S): S {
    if (this.#socket !== undefined) throw directoryError('DIRECTORY_UNAVAILABLE', { reason: CONNECTION_LOST })
    const socket = connect()
    this.#socket = socket
    // ldapts waits for an answer on a connection that is gone.
    socket.once('close', () => setTimeout(() => this.#lose(CONNECTION_LOST), CAUSE_WAIT_MS))
    return socket
  }

  #lose(reason: string): void {
    this.#lost.reject(directoryError('DIRECTORY_UNAVAILABLE', { reason }))
  }

  /** The name in the certificate has to be that of the URL, also on a connection that began without TLS. */
  #tlsOptions(): ConnectionOptions {
    const host = new URL(this.#options.url).hostname.replace(/^\[(.*)\]$/, '$1')
    return { host, ...(this.#ca !== undefined && { ca: this.#ca }) }
  }
}
