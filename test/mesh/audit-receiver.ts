import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Takes an audit trail by webhook, or, while it is away, nothing. */
export interface AuditReceiver {
  readonly url: string
  /** Each once: what is sent again after an answer that was lost is known by its chain and number. */
  lines(): readonly string[]
  setAway(away: boolean): void
  close(): void
}

export async function startAuditReceiver(): Promise<AuditReceiver> {
  const taken = new Map<string, string>()
  let isAway = false
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      if (!isAway) {
        for (const line of Buffer.concat(chunks).toString().split('\n')) {
          if (line === '') continue
          const { chain, seq } = JSON.parse(line) as { chain: string; seq: number }
          taken.set(`${chain}/${seq}`, line)
        }
      }
      response.writeHead(isAway ? 503 : 204).end()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/audit`,
    lines: () => [...taken.values()],
    setAway(away) {
      isAway = away
    },
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
