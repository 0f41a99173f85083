import type { Exchange } from './exchange.ts'
import { lingerOn } from './linger.ts'
import type { Reply } from './reply.ts'

/** Answers with an error, whatever the request has got to. `headers` say the length of the body where it has one. */
export function sendFailure(
  { request, response }: Pick<Exchange, 'request' | 'response'>,
  { status, headers, body }: Pick<Reply, 'status' | 'headers'> & { readonly body: string },
): void {
  // A reply that has begun can't be taken back: a cut connection tells the client that it is not whole.
  if (response.headersSent || response.destroyed) {
    response.destroy()
    return
  }
  if (request.complete) {
    response.writeHead(status, headers)
    response.end(body)
    return
  }
  response.writeHead(status, { ...headers, connection: 'close' })
  if (body === '') response.flushHeaders()
  else response.write(body)
  lingerOn(request, () => response.end())
}
