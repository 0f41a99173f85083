import { describe, expect, it } from 'vitest'
import { Health } from './health.ts'
import { startHealthListener } from './health-listener.ts'

describe('health', () => {
  it('is not ready before the start, and not once it stops', async () => {
    const health = new Health()
    expect(await health.report()).toEqual({ ready: false, waitingFor: ['starting'] })
    health.running(async () => [])
    expect(await health.report()).toEqual({ ready: true, waitingFor: [] })
    health.stopping()
    expect(await health.report()).toEqual({ ready: false, waitingFor: ['stopping'] })
  })

  it('says what does not answer, and is not ready where the check fails or says nothing', async () => {
    for (const [check, waitingFor] of [
      [async () => ['metadata'], ['metadata']],
      [() => Promise.reject(new Error('secret text')), ['an answer']],
      [() => new Promise<string[]>(() => {}), ['an answer in time']],
    ] as const) {
      const health = new Health()
      health.running(check)
      expect(await health.report()).toEqual({ ready: false, waitingFor })
    }
  })

  it('asks what stands behind it once, however many ask', async () => {
    let asked = 0
    const health = new Health()
    health.running(async () => {
      asked++
      return []
    })
    await Promise.all(Array.from({ length: 50 }, () => health.report()))
    expect(asked).toBe(1)
  })

  it('is told over HTTP', async () => {
    const health = new Health()
    const listener = await startHealthListener({ host: '127.0.0.1', port: 0 }, health)
    const status = async (path: string, method = 'GET') =>
      (await fetch(`http://127.0.0.1:${listener.port}${path}`, { method })).status
    expect(await status('/live')).toBe(200)
    expect(await status('/ready')).toBe(503)
    health.running(async () => [])
    expect(await status('/ready')).toBe(200)
    expect(await status('/ready', 'POST')).toBe(405)
    expect(await status('/')).toBe(404)
    listener.stop()
  })
})
