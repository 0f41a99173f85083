import type { SendHandle } from 'node:child_process'
import type { Worker } from 'node:cluster'

/** A connection as node:cluster accepts it: no socket yet. */
interface Connection {
  close(done?: () => void): void
}

/**
 * Connections that this process has accepted and handed to workers, until a worker has taken them. node:cluster forgets those that
 * nobody took because all workers were stopping: they stay open for as long as this process lives, and their clients wait for an
 * answer. A process that goes on after its workers (metadata that was moved) has to close them.
 */
export class HandedConnections {
  readonly #untaken = new Set<Connection>()

  /** To be called before the worker listens. */
  follow({ process: child }: Worker): void {
    const send = child.send.bind(child) as (message: unknown, handle?: SendHandle, ...rest: unknown[]) => boolean
    const watched = (message: unknown, handle?: SendHandle, ...rest: unknown[]): boolean => {
      if (isConnection(handle) && isOfCluster(message)) this.#watch(handle)
      return send(message, handle, ...rest)
    }
    child.send = watched as typeof child.send
  }

  /** Only once every worker is gone: until then they may be handed to another one. */
  closeAll(): void {
    for (const connection of [...this.#untaken]) connection.close()
  }

  /** node:cluster closes its copy when a worker has taken the connection. */
  #watch(connection: Connection): void {
    if (this.#untaken.has(connection)) return
    this.#untaken.add(connection)
    const close = connection.close
    connection.close = (...done) => {
      this.#untaken.delete(connection)
      close.apply(connection, done)
    }
  }
}

function isConnection(handle: unknown): handle is Connection {
  return typeof handle === 'object' && handle !== null && 'close' in handle && typeof handle.close === 'function'
}

/** What node:cluster sends by itself: `act: 'newconn'`. */
function isOfCluster(message: unknown): boolean {
  return typeof message === 'object' && message !== null && 'act' in message && message.act === 'newconn'
}
