import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { insecureExportKeyBytes } from '@coffer/crypto-core'
import { Transporters } from 'moleculer'
import { type ConnectionOptions, credsAuthenticator, Events, type NatsConnection } from 'nats'
import type { Logger } from './logger.ts'
import type { NatsOptions } from './mesh-options.ts'
import { cutIntoPieces, PieceJoiner } from './pieces.ts'
import { reachNats } from './reach-nats.ts'

/** A connection that the network has forgotten, without a word, is given up in this time and as many again. */
const PING_INTERVAL_MS = 1_500
const PINGS_UNANSWERED_MAX = 2
/** The same holds for a connection that is being made: the client's own limit is 20 s. */
const CONNECT_TIMEOUT_MS = 3_000
/** Whoever leaves says so first, to a NATS server that is there to hear it. */
const FAREWELL_TIMEOUT_MS = 1_000

/** Moleculer's transporter for NATS, which carries messages of any size: a listing of long names does not fit into one. */
export class NatsTransporter extends Transporters.NATS {
  readonly #joiner = new PieceJoiner()
  /** Told when the connection is lost: what is on its way then may never arrive. */
  onLost: () => void = () => undefined
  onFound: () => void = () => undefined

  override async connect(): Promise<void> {
    await super.connect()
    void this.#watch()
  }

  /** Without a limit it would wait for a NATS server that is away, as all are where a machine shuts down, until it is killed. */
  override async disconnect(): Promise<void> {
    const client = this.client as NatsConnection | null
    if (client === null) return
    const farewell = client.flush().then(() => client.close())
    await Promise.race([farewell.catch(() => undefined), sleep(FAREWELL_TIMEOUT_MS)])
    // Where it was not heard: no more connecting. What the client waits for then keeps nobody waiting here.
    void client.close().catch(() => undefined)
    this.client = null
  }

  override async send(topic: string, data: Buffer): Promise<void> {
    for (const piece of cutIntoPieces(data)) await super.send(topic, piece)
  }

  override receive(command: string, data: Buffer): Promise<void> | void {
    const message = this.#joiner.add(data)
    return message && super.receive(command, message)
  }

  async #watch(): Promise<void> {
    const client = this.client as NatsConnection
    for await (const { type } of client.status()) {
      if (type === Events.Disconnect) this.onLost()
      if (type === Events.Reconnect) this.onFound()
    }
  }
}

/** For a server that has let this process in; waits for one that is not there yet. MESH_NATS_REFUSED. */
export async function reachTransporter(nats: NatsOptions, logger: Logger): Promise<NatsTransporter> {
  const options = natsConnectionOptions(nats)
  await reachNats(options, logger)
  return new NatsTransporter(options)
}

/** The settings of the NATS client out of ours. */
function natsConnectionOptions(nats: NatsOptions): ConnectionOptions {
  const { url, user, password, credentialsFile, tls } = nats
  return {
    servers: url.split(',').map((server) => server.trim().replace(/^(nats|tls):\/\//, '')),
    ...(user !== undefined && { user }),
    ...(password && { pass: Buffer.from(insecureExportKeyBytes(password)).toString() }),
    ...(credentialsFile !== undefined && { authenticator: credsAuthenticator(readFileSync(credentialsFile)) }),
    ...((tls !== undefined || url.includes('tls://')) && { tls: tls ?? {} }),
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    pingInterval: PING_INTERVAL_MS,
    maxPingOut: PINGS_UNANSWERED_MAX,
    timeout: CONNECT_TIMEOUT_MS,
  }
}
