import { setTimeout as sleep } from 'node:timers/promises'
import type { ServiceBroker } from 'moleculer'
import type { NatsTransporter } from './nats-transporter.ts'

/** How often it is looked who has been silent for too long. Moleculer itself looks once in the time that it lets them be silent. */
const LOOK_INTERVAL_MS = 1_000
const REGISTERING_PAUSE_MS = 2

export interface Peers {
  /** Tells all what this process offers: now, where Moleculer waits a second for more to tell. */
  announce(): Promise<void>
  /** The same, once this process itself offers the service, whoever else does. */
  announceOwn(service: string): Promise<void>
  stop(): void
}

interface NodeInfo extends Record<string, unknown> {
  readonly services?: readonly { readonly name: string }[]
}

/** What every process offers, of itself. */
const OF_ITSELF: ReadonlySet<string> = new Set(['process', '$node'])

/**
 * Whom a process may ask is who has been heard over the connection that it has now. When the connection is lost, calls in
 * flight fail at once, since their answers may be lost; nobody is asked before it has been heard again, since a
 * message to a process that is not back yet is lost as well. Without this either would be told by a time-out, ten seconds later.
 */
export function knowPeersBy(transporter: NatsTransporter, broker: ServiceBroker): Peers {
  const nodes = () => broker.registry.nodes
  transporter.onLost = () => {
    for (const node of nodes().toArray()) if (!node.local) nodes().disconnected(node.id, true)
  }
  const discoverer = broker.registry.discoverer
  const announce = () => discoverer.sendLocalNodeInfo()
  const believe = discoverer.processRemoteNodeInfo.bind(discoverer)
  discoverer.processRemoteNodeInfo = (id: string, info: NodeInfo) => believe(id, withinItsRole(id, info))
  transporter.onFound = () => {
    void announce()
    void discoverer.discoverAllNodes()
  }
  const timer = setInterval(() => discoverer.checkRemoteNodes(), LOOK_INTERVAL_MS).unref()
  return {
    announce,
    async announceOwn(service) {
      while (!broker.registry.services.has(service, broker.nodeID)) await sleep(REGISTERING_PAUSE_MS)
      await announce()
    },
    stop: () => clearInterval(timer),
  }
}

/**
 * Anybody on the mesh may say that it offers anything, and would be asked then. The subjects of NATS tell roles apart by what a process id
 * begins with (`gateway.<uuid>`): so a process offers what its role is, and nothing else that it says.
 */
function withinItsRole(processId: string, info: NodeInfo): NodeInfo {
  const [role, ...rest] = processId.split('.')
  if (rest.length === 0 || info.services === undefined) return info
  return { ...info, services: info.services.filter(({ name }) => name === role || OF_ITSELF.has(name)) }
}
