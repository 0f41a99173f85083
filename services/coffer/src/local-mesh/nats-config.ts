import { CALLS, MESH_ROLES, type MeshRole } from './roles.ts'

export interface NatsConfigFacts {
  readonly host: string
  readonly port: number
  readonly certificatePath: string
  readonly keyPath: string
  readonly passwords: Readonly<Record<MeshRole, string>>
}

/** Moleculer's packets that every node sends to all, and to one (Moleculer protocol 4.0). */
const GOSSIP = ['DISCOVER', 'INFO', 'HEARTBEAT', 'PING', 'PONG', 'DISCONNECT']
const PREFIX = 'MOL-coffer'

/** What a role may say and hear. Source: NATS documentation, "Authorization". */
export interface SubjectPermissions {
  readonly publish: readonly string[]
  readonly subscribe: readonly string[]
}

/**
 * A process's node id begins with its role (`gateway.<uuid>`), so that subjects tell roles apart: a role may ask only whom it
 * calls, may answer only where it is called, and hears only what is for itself. Who has one service's password cannot stand
 * in for another.
 */
export function permissionsOf(role: MeshRole): SubjectPermissions {
  const isCalled = MESH_ROLES.some((other) => CALLS[other].includes(role))
  return {
    publish: [
      ...GOSSIP.flatMap((packet) => [`${PREFIX}.${packet}`, `${PREFIX}.${packet}.>`]),
      ...CALLS[role].map((callee) => `${PREFIX}.REQ.${callee}.*`),
      ...MESH_ROLES.filter((caller) => CALLS[caller].includes(role)).map((caller) => `${PREFIX}.RES.${caller}.*`),
    ],
    subscribe: [
      ...GOSSIP.flatMap((packet) => [`${PREFIX}.${packet}`, `${PREFIX}.${packet}.${role}.*`]),
      `${PREFIX}.RES.${role}.*`,
      // Every node listens for requests and events, also one that nobody may send any.
      `${PREFIX}.REQ.${role}.*`,
      `${PREFIX}.EVENT.${role}.*`,
      ...(isCalled ? [`${PREFIX}.REQB.>`] : []),
    ],
  }
}

/** The configuration of a nats-server for one mesh on one machine: TLS only, a user for each role. */
export function renderNatsConfig({ host, port, certificatePath, keyPath, passwords }: NatsConfigFacts): string {
  return [
    `listen: ${quoted(`${host}:${port}`)}`,
    `server_name: "coffer-mesh"`,
    `tls { cert_file: ${quoted(certificatePath)}, key_file: ${quoted(keyPath)}, timeout: 5 }`,
    renderUsers((role) => quoted(passwords[role])),
  ].join('\n')
}

/** A user for each role. `passwordOf`: as the configuration is to write it, a quoted text or a variable. */
export function renderUsers(passwordOf: (role: MeshRole) => string): string {
  const users = MESH_ROLES.map((role) => `    ${renderUser(role, passwordOf(role))}`)
  return ['authorization {', '  users: [', ...users, '  ]', '}', ''].join('\n')
}

function renderUser(role: MeshRole, password: string): string {
  const { publish, subscribe } = permissionsOf(role)
  const list = (subjects: readonly string[]) => `{ allow: [${subjects.map(quoted).join(', ')}] }`
  const permissions = `{ publish: ${list(publish)}, subscribe: ${list(subscribe)} }`
  return `{ user: ${quoted(role)}, password: ${password}, permissions: ${permissions} }`
}

/** JSON's strings are NATS's. */
function quoted(text: string): string {
  return JSON.stringify(text)
}
