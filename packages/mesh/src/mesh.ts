import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { KeyParcel, KeyRecipient, ServiceName, Services } from '@coffer/contracts'
import { KeyCourier, Secret } from '@coffer/crypto-core'
import { CofferError } from '@coffer/errors'
import type { Tracer } from '@coffer/tracing'
import { type ActionHandler, type Service, ServiceBroker } from 'moleculer'
import { failureOfCall, wasNotDelivered } from './call-failures.ts'
import { type CallParams, traceAnswer, traceCall, traceLocally } from './call-tracing.ts'
import { meshError } from './errors.ts'
import type { Logger } from './logger.ts'
import type { MeshOptions, NatsOptions } from './mesh-options.ts'
import type { NatsTransporter } from './nats-transporter.ts'
import { knowPeersBy } from './peers.ts'
import { decodeWire, encodeWire, errorShapeOf, type Outcome } from './wire.ts'

const REQUEST_TIMEOUT_MS = 10_000
/** A process that was killed says no goodbye: calls go to it until it has been silent for this long. */
const HEARTBEAT_TIMEOUT_SECONDS = 4
const HEARTBEAT_INTERVAL_SECONDS = 1
/** How often a call is sent that nobody has begun to answer. */
const ATTEMPTS_MAX = 3
const MESH_KEY_BYTES = 32

type Method = (...args: unknown[]) => Promise<unknown>

/** A service of this process; `bound` holds its methods as they were asked for. */
interface Offered {
  readonly service: Readonly<Record<string, unknown>>
  readonly bound: Map<string, Method>
}

function newProcessId(role: string | undefined): string {
  return role === undefined ? randomUUID() : `${role}.${randomUUID()}`
}

/** What speaks NATS is loaded where there is a NATS server: one machine starts without it. */
async function openTransporter(nats: NatsOptions, logger: Logger): Promise<NatsTransporter> {
  const { reachTransporter } = await import('./nats-transporter.ts')
  return await reachTransporter(nats, logger)
}

/** Another process of the mesh, as this one has last heard of it. */
export interface MeshProcess {
  readonly processId: string
  readonly host: string
  readonly services: readonly string[]
  /** It has not said goodbye, and not been silent for too long. */
  readonly isAvailable: boolean
  /** How long it has been silent. */
  readonly silentMs: number
}

/** What kind of key, then what it is for: names, or a context. Both sides build it alike, in the same order. */
export type KeyPurpose = readonly [kind: string, ...what: (string | object)[]]

/**
 * The typed mesh: what a service offers with `provide` others call with `use`, in one process or over NATS alike.
 *
 *     const mesh = await Mesh.start({ logger })
 *     await mesh.provide('iam', iam, ['listAccounts'])
 *     await mesh.use('iam').listAccounts()
 *
 * In one process a call is a function call (arguments are passed as they are). Between processes arguments and outcomes are
 * CBOR, errors keep their codes, whatever takes too long or finds no service is MESH_SERVICE_UNAVAILABLE, and any other
 * failure MESH_CALL_FAILED.
 */
export class Mesh {
  readonly processId: string
  /** For spans of work that no request waits for, and of parts of one. */
  readonly tracer: Tracer | undefined
  readonly #broker: ServiceBroker
  readonly #courier: KeyCourier
  readonly #logger: Logger
  readonly #observerOf: MeshOptions['observerOf']
  readonly #peers: ReturnType<typeof knowPeersBy> | undefined
  readonly #offered = new Map<ServiceName, Offered>()
  readonly #clients = new Map<ServiceName, Services[ServiceName]>()
  readonly #registered: Service[] = []
  /** Calls of other processes that are being answered. */
  readonly #answering = new Set<Promise<unknown>>()

  private constructor(options: MeshOptions, processId: string, transporter: NatsTransporter | undefined) {
    this.processId = processId
    this.tracer = options.tracer
    this.#logger = options.logger
    this.#observerOf = options.observerOf
    this.#courier = new KeyCourier(options.meshKey ?? Secret.random(MESH_KEY_BYTES))
    this.#broker = new ServiceBroker({
      nodeID: processId,
      namespace: 'coffer',
      logger: false,
      metrics: false,
      tracing: false,
      requestTimeout: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
      skipProcessEventRegistration: true,
      heartbeatInterval: HEARTBEAT_INTERVAL_SECONDS,
      heartbeatTimeout: HEARTBEAT_TIMEOUT_SECONDS,
      serializer: 'CBOR',
      ...(transporter && { transporter }),
    })
    this.#peers = transporter && knowPeersBy(transporter, this.#broker)
  }

  /** MESH_KEY_MISSING: NATS without a mesh key. MESH_NATS_REFUSED. Waits for a NATS server that is not there yet. */
  static async start(options: MeshOptions): Promise<Mesh> {
    if (options.nats !== undefined && options.meshKey === undefined) throw meshError('MESH_KEY_MISSING')
    const transporter = options.nats && (await openTransporter(options.nats, options.logger))
    const mesh = new Mesh(options, options.processId ?? newProcessId(options.role), transporter)
    await mesh.#broker.start()
    return mesh
  }

  /** Offers a service: all of it to this process, and each of `methods` to others, as the action `<name>.<method>`. */
  async provide<N extends ServiceName>(
    name: N,
    service: Services[N],
    methods: readonly (keyof Services[N] & string)[],
  ): Promise<void> {
    const actions: Record<string, { handler: ActionHandler }> = {}
    for (const methodName of methods) {
      const method = (service[methodName] as Method).bind(service)
      const action = `${name}.${methodName}`
      actions[methodName] = { handler: (context) => this.#track(action, method, context.params as CallParams) }
    }
    this.#offered.set(name, { service: service as unknown as Offered['service'], bound: new Map() })
    this.#registered.push(this.#broker.createService({ name, actions }))
    await this.#peers?.announceOwn(name)
  }

  /** A client of a service: one of this process if it offers the service, else whichever of the mesh. */
  use<N extends ServiceName>(name: N): Services[N] {
    const known = this.#clients.get(name)
    if (known !== undefined) return known as Services[N]
    const client = new Proxy({}, { get: (_, methodName) => this.#method(name, String(methodName)) })
    this.#clients.set(name, client as Services[N])
    return client as Services[N]
  }

  /** Like {@link use}, of the process that will open what is packed for it. */
  useAt<N extends ServiceName>(name: N, { processId }: Pick<KeyRecipient, 'processId'>): Services[N] {
    if (processId === this.processId) return this.use(name)
    const call =
      (methodName: string): Method =>
      (...args) =>
        this.#call(`${name}.${methodName}`, args, processId)
    return new Proxy(
      {},
      { get: (_, methodName) => (methodName === 'then' ? undefined : call(String(methodName))) },
    ) as Services[N]
  }

  /** The other processes, those that are gone for a while among them. */
  processes(): readonly MeshProcess[] {
    const nodes = this.#broker.registry.nodes.toArray().filter(({ local }) => !local)
    return nodes.map(({ id, hostname, services, available, lastHeartbeatTime }) => ({
      processId: id,
      host: hostname ?? '',
      services: services.map(({ name }) => name),
      isAvailable: available,
      // Moleculer's clock is the uptime of this process, in seconds.
      silentMs: Math.max(0, Math.round((process.uptime() - (lastHeartbeatTime ?? 0)) * 1_000)),
    }))
  }

  /** MESH_SERVICE_UNAVAILABLE. */
  async waitFor(names: readonly ServiceName[], timeoutMs: number): Promise<void> {
    const remote = names.filter((name) => !this.#offered.has(name))
    await this.#broker.waitForServices(remote, timeoutMs).catch((cause: unknown) => {
      throw meshError('MESH_SERVICE_UNAVAILABLE', { services: remote.join(', ') }, { cause })
    })
  }

  /** This process, for calls that bring a key. */
  recipient(): KeyRecipient {
    return { processId: this.processId, publicKey: this.#courier.publicKey }
  }

  /**
   * Packs a key for the process that asked: for this one as it is (the receiver owns it from then on), else sealed to its
   * session. The purpose, what kind of key and what it is for, is authenticated: who carries parcels can't hand one object's
   * key out for another's.
   */
  parcel(secret: Secret, recipient: KeyRecipient, ...purpose: KeyPurpose): KeyParcel {
    if (recipient.processId === this.processId) return { kind: 'local', secret }
    const sealed = this.#courier.seal(secret, recipient.publicKey, JSON.stringify(purpose))
    secret.wipe()
    return sealed
  }

  /** CRYPTO_PARCEL_REFUSED: not for this process, or not for this purpose. */
  unparcel(parcel: KeyParcel, ...purpose: KeyPurpose): Secret {
    return parcel.kind === 'local' ? parcel.secret : this.#courier.open(parcel, JSON.stringify(purpose))
  }

  /**
   * Offers nothing more to other processes, and resolves when their calls in flight are answered (or have outlived their
   * time-out). What the services stand on may be closed then; this process can still call others.
   */
  async withdraw(): Promise<void> {
    for (const service of this.#registered.splice(0)) await this.#broker.destroyService(service)
    await this.#peers?.announce()
    const timeout = sleep(this.#broker.options.requestTimeout ?? REQUEST_TIMEOUT_MS, undefined, { ref: false })
    await Promise.race([Promise.all(this.#answering), timeout])
  }

  /** Withdraws, and leaves the mesh. */
  async stop(): Promise<void> {
    await this.withdraw()
    this.#peers?.stop()
    await this.#broker.stop()
  }

  #method(name: ServiceName, methodName: string): Method | undefined {
    // A client must not look like a promise to whoever awaits it.
    if (methodName === 'then') return undefined
    const offered = this.#offered.get(name)
    if (offered === undefined) return (...args) => this.#call(`${name}.${methodName}`, args)
    const known = offered.bound.get(methodName)
    if (known !== undefined) return known
    const method = offered.service[methodName]
    if (typeof method !== 'function') return undefined
    const action = `${name}.${methodName}`
    const plain: Method = method.bind(offered.service)
    const bound = this.tracer === undefined ? plain : traceLocally(this.tracer, action, plain)
    offered.bound.set(methodName, bound)
    return bound
  }

  async #call(action: string, args: readonly unknown[], processId?: string): Promise<unknown> {
    const encoded = encodeWire(args)
    return await traceCall(this.tracer, action, async (context) => {
      const outcome = await this.#outcomeOf(action, { args: encoded, ...context }, processId)
      if ('error' in outcome) throw new CofferError(outcome.error)
      return outcome.value
    })
  }

  async #outcomeOf(action: string, params: CallParams, processId?: string): Promise<Outcome> {
    const observer = this.#observerOf?.(action)
    if (observer === undefined) return decodeWire(await this.#send(action, params, processId)) as Outcome
    const startedAt = performance.now()
    let ended: Parameters<typeof observer>[0] = 'unavailable'
    try {
      const outcome = decodeWire(await this.#send(action, params, processId)) as Outcome
      ended = 'error' in outcome ? 'refused' : 'ok'
      return outcome
    } finally {
      observer(ended, (performance.now() - startedAt) / 1000)
    }
  }

  async #send(action: string, params: CallParams, processId?: string): Promise<Uint8Array> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#broker.call<Uint8Array, CallParams>(
          action,
          params,
          processId === undefined ? {} : { nodeID: processId },
        )
      } catch (cause) {
        // A service that has just withdrawn said no without having begun: another may offer the same.
        if (wasNotDelivered(cause) && attempt < ATTEMPTS_MAX) continue
        this.#logger.warn({ action, reason: cause instanceof Error ? cause.name : 'unknown' }, 'call failed')
        throw failureOfCall(action, cause)
      }
    }
  }

  #track(action: string, method: Method, params: CallParams): Promise<Uint8Array> {
    const answer = this.#answer(action, method, params)
    this.#answering.add(answer)
    return answer.finally(() => this.#answering.delete(answer))
  }

  async #answer(action: string, method: Method, params: CallParams): Promise<Uint8Array> {
    try {
      const answer = () => method(...(decodeWire(params.args) as unknown[]))
      return encodeWire({ value: await traceAnswer(this.tracer, action, params, answer) })
    } catch (error) {
      if (!(error instanceof CofferError)) this.#logger.error({ err: error }, 'a service failed unexpectedly')
      return encodeWire({ error: errorShapeOf(error) })
    }
  }
}
