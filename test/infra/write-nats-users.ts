import { writeFileSync } from 'node:fs'
import { NATS_USERS, natsUsers } from './nats-users.ts'

writeFileSync(NATS_USERS, natsUsers())
