import { join } from 'node:path'
import { renderUsers } from '@coffer/service-coffer/nats-config'
import { REPOSITORY } from '../harness/start-server.ts'

export const NATS_USERS = join(REPOSITORY, 'infra/kubernetes/users.conf')

/** The users of a cluster's NATS servers; passwords are the server's environment variables. */
export function natsUsers(): string {
  return `# Written by test/infra/write-nats-users.ts.\n${renderUsers((role) => `$NATS_PASSWORD_${role.toUpperCase()}`)}`
}
