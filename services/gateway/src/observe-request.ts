import type { Exchange } from './exchange.ts'
import type { RequestObserver } from './gateway-options.ts'

/** What a response had before anybody knew what was asked for. */
const UNKNOWN = { api: 's3', operation: 'unknown' } as const

/** Tells an observer of a request, when it comes and when its response is closed, sent or not. */
export function observeRequest(exchange: Exchange, observer: RequestObserver): void {
  const startedAt = performance.now()
  const { request, response } = exchange
  const { socket } = request
  const bytesWrittenBefore = socket.bytesWritten
  observer.began()
  response.on('close', () => {
    const { api, operation } = exchange.operation ?? UNKNOWN
    observer.ended({
      api,
      operation,
      status: response.statusCode,
      errorCode: exchange.errorCode,
      traceId: exchange.span?.traceId,
      seconds: (performance.now() - startedAt) / 1000,
      bytesIn: request.complete ? Number(request.headers['content-length'] ?? 0) : 0,
      bytesOut: Math.max(0, socket.bytesWritten - bytesWrittenBefore),
    })
  })
}
