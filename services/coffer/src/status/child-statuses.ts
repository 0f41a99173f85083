import { hostname } from 'node:os'
import type { ProcessStatus } from '@coffer/contracts'
import { COFFER_VERSION } from '../version.ts'
import { processStatus, type StatusSources } from './process-status.ts'

/** Longer than a child takes to look around; it is busy, or stopped, if it says nothing in this time. */
const ANSWER_TIMEOUT_MS = 4_000

/** What a process of a server understands and answers, among its other messages. */
export type StatusRequest = { readonly kind: 'status' }
export type StatusAnswer = { readonly kind: 'status'; readonly status: ProcessStatus }

interface Child {
  readonly pid?: number | undefined
  send(message: StatusRequest, callback: (error: Error | null) => void): boolean
  on(event: 'message', listener: (message: { readonly kind?: unknown }) => void): unknown
  once(event: 'exit', listener: () => void): unknown
}

interface Followed {
  readonly service: string
  readonly instance: string
  readonly startedAt: number
  hasAnswered: boolean
  asked: PromiseWithResolvers<ProcessStatus> | undefined
}

/** What the processes of a server tell of themselves, when they are asked. */
export class ChildStatuses {
  readonly #children = new Map<Child, Followed>()

  /** `pid`: of a worker of `node:cluster`, whose own object does not say. */
  follow(service: string, child: Child, pid = child.pid): void {
    const instance = `${service}-${pid ?? 'new'}`
    const followed: Followed = { service, instance, startedAt: performance.now(), hasAnswered: false, asked: undefined }
    this.#children.set(child, followed)
    child.on('message', (message) => {
      if (message.kind !== 'status') return
      followed.hasAnswered = true
      followed.asked?.resolve((message as StatusAnswer).status)
    })
    child.once('exit', () => this.#children.delete(child))
  }

  async collect(): Promise<readonly ProcessStatus[]> {
    return await Promise.all([...this.#children].map(([child, followed]) => this.#ask(child, followed)))
  }

  async #ask(child: Child, followed: Followed): Promise<ProcessStatus> {
    followed.asked ??= this.#request(child, followed)
    return await followed.asked.promise
  }

  /** Whoever asks meanwhile gets the same answer. */
  #request(child: Child, followed: Followed): PromiseWithResolvers<ProcessStatus> {
    const asked = Promise.withResolvers<ProcessStatus>()
    const giveUp = () => asked.resolve(silent(followed))
    const timer = setTimeout(giveUp, ANSWER_TIMEOUT_MS)
    child.send({ kind: 'status' }, (error) => error && giveUp())
    void asked.promise.finally(() => {
      clearTimeout(timer)
      followed.asked = undefined
    })
    return asked
  }
}

function silent({ service, instance, startedAt, hasAnswered }: Followed): ProcessStatus {
  return {
    service,
    instance,
    host: hostname(),
    version: COFFER_VERSION,
    uptimeMs: Math.round(performance.now() - startedAt),
    isReady: false,
    waitingFor: [hasAnswered ? 'an answer' : 'starting'],
  }
}

/** Answers the process that started this one. */
export async function tellStatus(service: string, sources: StatusSources): Promise<void> {
  const status = await processStatus(service, `${service}-${process.pid}`, sources)
  const answer: StatusAnswer = { kind: 'status', status }
  if (process.connected) process.send?.(answer)
}
