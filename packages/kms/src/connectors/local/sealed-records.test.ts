import { Secret } from '@coffer/crypto-core'
import { describe, expect, it } from 'vitest'
import { MemoryRecords } from '../../testing/memory-records.ts'
import { DomainKey } from './domain-key.ts'
import { sealedRecords } from './sealed-records.ts'

const text = (value: Uint8Array | undefined) => Buffer.from(value ?? []).toString()
const ALL = { prefix: 'alias/', afterId: '', limit: 9 }

describe('sealed records', () => {
  const make = async () => {
    const rows = new MemoryRecords()
    const domainKey = await DomainKey.open(Secret.random(32), rows)
    return { rows, domainKey, records: sealedRecords(rows, domainKey) }
  }
  const damaged = { code: 'KMS_RECORD_DAMAGED' }

  it('are given back as they were put, one by one and listed, until they are removed', async () => {
    const { records } = await make()
    await records.put('alias/a', Buffer.from('first'), 0)
    await records.put('alias/a', Buffer.from('second'), 1)
    const found = await records.find('alias/a')
    expect([text(found?.value), found?.revision]).toEqual(['second', 2])
    const listed = await records.list(ALL)
    expect(listed.map(({ id, value }) => [id, text(value)])).toEqual([['alias/a', 'second']])
    await records.remove('alias/a')
    expect(await records.find('alias/a')).toBeUndefined()
  })

  it('show nothing of what they say', async () => {
    const { rows, records } = await make()
    await records.put('settings/k', Buffer.from('the merger'), 0)
    expect(text(rows.rows.get('settings/k')?.value)).not.toContain('merger')
  })

  it.each(['find', 'list'] as const)('are found out by %s where one stands in the place of another', async (method) => {
    const { rows, records } = await make()
    await records.put('alias/a', Buffer.from('key a'), 0)
    await records.put('alias/b', Buffer.from('key b'), 0)
    rows.rows.set('alias/a', { value: rows.rows.get('alias/b')?.value ?? new Uint8Array(0), revision: 1 })
    const read = { find: () => records.find('alias/a'), list: () => records.list(ALL) }
    await expect(read[method]()).rejects.toMatchObject(damaged)
  })

  it('are found out wherever a byte is flipped, and where they are cut', async () => {
    const { rows, records } = await make()
    await records.put('alias/a', Buffer.from('key a'), 0)
    const value = Buffer.from(rows.rows.get('alias/a')?.value ?? [])
    for (let at = 0; at < value.length; at++) {
      const flipped = Buffer.from(value)
      flipped[at] = (flipped[at] ?? 0) ^ 1
      rows.rows.set('alias/a', { value: flipped, revision: 1 })
      await expect(records.find('alias/a'), `byte ${at}`).rejects.toMatchObject(damaged)
      rows.rows.set('alias/a', { value: value.subarray(0, at), revision: 1 })
      await expect(records.find('alias/a'), `cut at ${at}`).rejects.toMatchObject(damaged)
    }
  })

  it('do not open in another store', async () => {
    const { rows, records } = await make()
    await records.put('alias/a', Buffer.from('key a'), 0)
    const other = await make()
    await expect(sealedRecords(rows, other.domainKey).find('alias/a')).rejects.toMatchObject(damaged)
  })

  it('come under a new domain key with the root key, also those that a process seals which has not heard of it', async () => {
    const { rows, domainKey, records } = await make()
    const late = await DomainKey.resume(domainKey.insecureExport(), rows)
    const lateRecords = sealedRecords(rows, late)
    await records.put('alias/a', Buffer.from('key a'), 0)
    await records.put('account-alias/1/alias/a', Buffer.from('key 1'), 0)
    const newRootKey = Secret.random(32)
    await domainKey.replaceRootKey(newRootKey)
    expect(text((await lateRecords.find('alias/a'))?.value)).toBe('key a')
    await records.put('settings/k', Buffer.from('by the first'), 0)
    // Sealed under the version that it knows, noticed, and sealed again: whoever replaces the domain key may have passed by.
    await lateRecords.put('alias/late', Buffer.from('key late'), 0)
    expect(rows.rows.get('alias/late')).toMatchObject({ revision: 2 })
    expect(Buffer.from(rows.rows.get('alias/late')?.value ?? []).readUInt32BE()).toBe(domainKey.newest.version)
    expect(text((await lateRecords.find('settings/k'))?.value)).toBe('by the first')
    expect(await domainKey.finishReplacement(0)).toEqual([])
    domainKey.wipe()
    const reopened = sealedRecords(rows, await DomainKey.open(newRootKey, rows))
    expect(text((await reopened.find('alias/a'))?.value)).toBe('key a')
    expect(text((await reopened.find('account-alias/1/alias/a'))?.value)).toBe('key 1')
    expect(text((await reopened.find('alias/late'))?.value)).toBe('key late')
    expect(text((await reopened.find('settings/k'))?.value)).toBe('by the first')
  })

  it('that are changed together are all changed or none, and come under a new domain key too', async () => {
    const { rows, domainKey, records } = await make()
    const late = await DomainKey.resume(domainKey.insecureExport(), rows)
    await records.change([
      { id: 'alias/a', value: Buffer.from('key a'), expectedRevision: 0 },
      { id: 'account-count/first', value: Buffer.from('1'), expectedRevision: 0 },
    ])
    const tooLate = [{ id: 'alias/a' }, { id: 'account-count/first', value: Buffer.from('0'), expectedRevision: 0 }]
    await expect(records.change(tooLate)).rejects.toMatchObject({ code: 'META_RECORD_CHANGED' })
    expect(text((await records.find('alias/a'))?.value)).toBe('key a')
    const newRootKey = Secret.random(32)
    await domainKey.replaceRootKey(newRootKey)
    await sealedRecords(rows, late).change([
      { id: 'alias/a' },
      { id: 'account-count/first', value: Buffer.from('2'), expectedRevision: 1 },
      { id: 'key-alias/local/k/alias/b', value: Buffer.from('b') },
    ])
    expect(await domainKey.finishReplacement(0)).toEqual([])
    const reopened = sealedRecords(rows, await DomainKey.open(newRootKey, rows))
    expect(await reopened.find('alias/a')).toBeUndefined()
    expect(text((await reopened.find('account-count/first'))?.value)).toBe('2')
    expect(text((await reopened.find('key-alias/local/k/alias/b'))?.value)).toBe('b')
  })

  it('that were damaged before a replacement are named by it, and left as they are', async () => {
    const { rows, domainKey, records } = await make()
    await records.put('alias/a', Buffer.from('key a'), 0)
    await records.put('alias/b', Buffer.from('key b'), 0)
    const value = Buffer.from(rows.rows.get('alias/a')?.value ?? [])
    value[value.length - 1] = (value[value.length - 1] ?? 0) ^ 1
    rows.rows.set('alias/a', { value, revision: 1 })
    await domainKey.replaceRootKey(Secret.random(32))
    expect(await domainKey.finishReplacement(0)).toEqual(['alias/a'])
    expect(text((await records.find('alias/b'))?.value)).toBe('key b')
    expect(rows.rows.get('alias/a')?.value).toBe(value)
  })
})
