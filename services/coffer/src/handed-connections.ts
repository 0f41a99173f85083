import type { SendHandle } from 'node:child_process'
import type { Worker } from 'node:cluster'

/** A connection as node:cluster accepts it: no socket yet. */
interface Connection {
  close(done?: () => void): void
}

/** A process that has ended may have said something that is not read yet. */
const UNHEARD_PAUSE_MS = 10

/**
 * Connections that this process has accepted and handed to workers, until a worker has taken them. node:cluster forgets those that
 * a worker was handed and had no time to take: it was killed, or all were stopping. They stay open for as long as this process
 * lives, and their clients wait for an answer. So they are closed: whether the worker had read of them nobody can know any more.
 */
export class HandedConnections {
  /** And who was handed it last. */
  readonly #untaken = new Map<Connection, Worker>()

  /** To be called before the worker listens. */
  follow(worker: Worker): void {
    const { process: child } = worker
    const send = child.send.bind(child) as (message: unknown, handle?: SendHandle, ...rest: unknown[]) => boolean
    const watched = (message: unknown, handle?: SendHandle, ...rest: unknown[]): boolean => {
      if (isConnection(handle) && isOfCluster(message)) this.#watch(handle, worker)
      return send(message, handle, ...rest)
    }
    child.send = watched as typeof child.send
    // Not `disconnect`: Node does not tell it of a process that was killed with a handle on its way to it.
    child.once('exit', () => this.#closeOf(worker))
  }

  /** Only once every worker is gone: until then they may be handed to another one. */
  closeAll(): void {
    for (const connection of [...this.#untaken.keys()]) connection.close()
  }

  /** When all is heard that it has said: what it has not taken by then it never will, and has not handed back either. */
  #closeOf(worker: Worker): void {
    if (worker.isConnected()) {
      setTimeout(() => this.#closeOf(worker), UNHEARD_PAUSE_MS)
      return
    }
    for (const [connection, holder] of [...this.#untaken]) if (holder === worker) connection.close()
  }

  /** node:cluster closes its copy when a worker has taken the connection. */
  #watch(connection: Connection, worker: Worker): void {
    const isKnown = this.#untaken.has(connection)
    this.#untaken.set(connection, worker)
    if (isKnown) return
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
