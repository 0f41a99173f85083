import { randomBytes } from 'node:crypto'

/** Random for each process, then counting: unique without a random draw for each request. */
const PREFIX = randomBytes(6).toString('hex').toUpperCase()
let count = 0

/** Names one request in its response and in the logs: 20 hex characters. */
export function newRequestId(): string {
  count = (count + 1) % 0x1_0000_0000
  return PREFIX + count.toString(16).toUpperCase().padStart(8, '0')
}
