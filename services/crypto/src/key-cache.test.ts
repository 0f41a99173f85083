import { Secret } from '@coffer/crypto-core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { KeyCache, type NamedKey } from './key-cache.ts'

const KEPT_MS = 60_000

describe('the cache of keys', () => {
  let opened: string[]
  let cache: KeyCache

  beforeEach(() => {
    vi.useFakeTimers()
    opened = []
    cache = new KeyCache({ keysMax: 3, keptMs: KEPT_MS, now: Date.now })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  const get = async (id: string): Promise<NamedKey> => {
    const key = await cache.get(id, async () => {
      opened.push(id)
      return { id, key: Secret.random(32), masterKeyName: 'local/coffer' }
    })
    if (key === undefined) throw new Error('a key')
    return key
  }
  const isWiped = ({ key }: NamedKey): boolean => {
    try {
      return key.lengthBytes === 0
    } catch {
      return true
    }
  }

  it('opens a key once, for those who ask at the same time too', async () => {
    const [first, second] = await Promise.all([get('a'), get('a')])
    expect(await get('a')).toBe(first)
    expect(second).toBe(first)
    expect(opened).toEqual(['a'])
  })

  it('drops the least recently used key, and wipes it once nobody has it in hand', async () => {
    const [a, b] = [await get('a'), await get('b'), await get('c')]
    await get('a')
    await get('d')
    expect([isWiped(a), isWiped(b)]).toEqual([false, false])
    await vi.advanceTimersByTimeAsync(2_000)
    expect([isWiped(a), isWiped(b)]).toEqual([false, true])
    await get('a')
    await get('b')
    expect(opened).toEqual(['a', 'b', 'c', 'd', 'b'])
  })

  it('wipes a key after its time, though nobody asks any more', async () => {
    const a = await get('a')
    await vi.advanceTimersByTimeAsync(KEPT_MS - 1)
    expect(await get('a')).toBe(a)
    await vi.advanceTimersByTimeAsync(5_000)
    expect(isWiped(a)).toBe(true)
    expect(isWiped(await get('a'))).toBe(false)
    expect(opened).toEqual(['a', 'a'])
  })

  it('does not remember a failure, nor that nothing was there', async () => {
    const failing = cache.get('a', () => Promise.reject(new Error('no KMS')))
    await expect(failing).rejects.toThrow('no KMS')
    expect(await cache.get('a', async () => undefined)).toBeUndefined()
    expect((await get('a')).id).toBe('a')
  })

  it('leaves a key alone that came after one which was dropped', async () => {
    const slow = Promise.withResolvers<NamedKey>()
    const late = cache.get('a', () => slow.promise)
    for (const id of ['b', 'c', 'd']) await get(id)
    const again = await get('a')
    slow.resolve({ id: 'a', key: Secret.random(32), masterKeyName: 'local/coffer' })
    const dropped = (await late) ?? again
    await vi.advanceTimersByTimeAsync(2_000)
    expect([isWiped(dropped), isWiped(again)]).toEqual([true, false])
  })
})
