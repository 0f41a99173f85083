import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { AuditLog, newChainId } from './audit-log.ts'
import { lineHash } from './chain.ts'
import { fileTarget } from './targets/file.ts'
import { recordOf, testSigner } from './testing/records.ts'
import { type VerifyOptions, verifyTrail } from './verify.ts'

describe('the verification of a trail', () => {
  let directory: string
  let options: VerifyOptions
  let signer: ReturnType<typeof testSigner>
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'coffer-audit-'))
    signer = testSigner()
  })
  afterEach(() => rm(directory, { recursive: true }))

  /** A trail of `count` records; each chain is one writer's. */
  const write = async (count: number, fileSizeBytesMax = 1 << 27): Promise<string> => {
    const chain = newChainId()
    const target = await fileTarget.open({ directory, fileSizeBytesMax, syncIntervalMs: 0 }, { chain, directory })
    const log = new AuditLog({
      chain,
      writer: 'test',
      mode: 'all',
      targets: [target],
      whenStalled: 'block',
      queueRecordsMax: 100,
      sign: signer.sign,
      onTrouble: () => undefined,
    })
    for (let index = 0; index < count; index++) {
      log.record(recordOf({ key: `k${index}` }))
      // A file is as long as its last batch makes it.
      if (index % 10 === 9)
        await vi.waitFor(async () => expect(await text()).toContain(`"k${index}"`), { timeout: 60_000, interval: 10 })
    }
    await log.close(60_000)
    options = { publicKey: signer.publicKey, heads: [...signer.heads.values()], partial: false }
    return chain
  }
  const text = async (): Promise<string> =>
    (await Promise.all((await readdir(directory)).map((name) => readFile(join(directory, name), 'utf8')))).join('')
  const onlyFile = async (): Promise<string> => join(directory, (await readdir(directory))[0] ?? '')
  const linesOf = async (path: string): Promise<string[]> => (await readFile(path, 'utf8')).trimEnd().split('\n')
  const edit = async (change: (lines: string[]) => void): Promise<string[]> => {
    const path = await onlyFile()
    const lines = await linesOf(path)
    change(lines)
    await writeFile(path, `${lines.join('\n')}\n`)
    return lines
  }
  const seqOfKey = (lines: readonly string[], key: string): number =>
    lines.map((line) => JSON.parse(line) as { key?: string; seq: number }).find((record) => record.key === key)?.seq ??
    0
  const fault = async () => (await verifyTrail(directory, options)).fault

  it('finds nothing wrong with what a writer left, also in several files and of several writers', async () => {
    await write(20, 4096)
    await write(3)
    const report = await verifyTrail(directory, options)
    expect(report.fault).toBeUndefined()
    expect(report.files).toBeGreaterThan(2)
    expect(report.chains.map(({ closed, unsigned }) => ({ closed, unsigned }))).toEqual([
      { closed: true, unsigned: 0 },
      { closed: true, unsigned: 0 },
    ])
  })

  it('names a record that was changed', async () => {
    const chain = await write(10)
    const lines = await edit((all) => {
      const at = all.findIndex((line) => line.includes('"k4"'))
      all[at] = all[at]?.replace('GetObject', 'PutObject') ?? ''
    })
    expect(await fault()).toMatchObject({ problem: 'changed', chain, seq: seqOfKey(lines, 'k4') })
  })

  it('names a record that was removed, and one that was moved', async () => {
    const chain = await write(10)
    const before = await linesOf(await onlyFile())
    await edit((all) => all.splice(5, 1))
    expect(await fault()).toMatchObject({ problem: 'missing', chain, seq: 6 })
    await edit((all) => all.splice(0, all.length, ...before))
    await edit((all) => all.splice(5, 2, all[6] ?? '', all[5] ?? ''))
    expect(await fault()).toMatchObject({ problem: 'missing', chain, seq: 6 })
    await edit((all) => all.splice(0, all.length, ...before, before[4] ?? ''))
    expect(await fault()).toMatchObject({ problem: 'reordered', chain, seq: 5 })
  })

  it('finds a tail that was cut off, and a chain that is gone, by how far the server knows it came', async () => {
    const chain = await write(10)
    await edit((all) => all.splice(-3))
    expect(await fault()).toMatchObject({ problem: 'truncated', chain })
    await rm(await onlyFile())
    expect(await fault()).toMatchObject({ problem: 'chain-missing', chain })
  })

  it('finds a trail that was written anew with right hashes but another key', async () => {
    await write(5)
    const genuine = options
    signer = testSigner()
    await rm(await onlyFile())
    await write(5)
    options = { ...genuine, heads: [] }
    expect(await fault()).toMatchObject({ problem: 'signature' })
  })

  /** As somebody would who knows how a chain is made, and has no key: each line with the hash of the one before as it is now. */
  const chainAnew = (all: string[]) => {
    let prev = '0'.repeat(64)
    for (const [at, line] of all.entries()) {
      all[at] = JSON.stringify({ ...(JSON.parse(line) as object), prev })
      prev = lineHash(all[at])
    }
  }
  const changeRecord = (all: string[], key: string) => {
    const at = all.findIndex((line) => line.includes(`"${key}"`))
    all[at] = all[at]?.replace('GetObject', 'PutObject') ?? ''
  }

  it('finds records that were changed under genuine signatures, all hashes made anew', async () => {
    await write(10)
    await edit((all) => {
      changeRecord(all, 'k4')
      chainAnew(all)
    })
    options = { ...options, heads: [] }
    expect(await fault()).toMatchObject({ problem: 'signature' })
  })

  it('finds the last record that was signed changed, where the signature after it was taken away', async () => {
    const chain = await write(10)
    const [head] = options.heads
    const lines = await edit((all) => {
      all.splice(head?.seq ?? 0)
      all.push(all.pop()?.replace(/"time":"[^"]*"/, '"time":"2020-01-01T00:00:00.000Z"') ?? '')
    })
    expect(lines).toHaveLength(head?.seq ?? 0)
    expect(await fault()).toMatchObject({ problem: 'changed', chain, seq: head?.seq })
  })

  it('finds what was added after the end of a writer, however well it is chained', async () => {
    const chain = await write(3)
    const lines = await edit((all) => {
      const more = JSON.parse(all.find((line) => line.includes('"k1"')) ?? '') as object
      all.push(JSON.stringify({ ...more, seq: all.length + 1 }))
      chainAnew(all)
    })
    expect(await fault()).toMatchObject({ problem: 'changed', chain, seq: lines.length })
  })

  it('finds a signature that names another key than the one that it is checked with', async () => {
    await write(3)
    await edit((all) => {
      const last = JSON.parse(all.pop() ?? '') as object
      all.push(JSON.stringify({ ...last, keyId: '0'.repeat(16) }))
    })
    expect(await fault()).toMatchObject({ problem: 'signature' })
  })

  it('finds a checkpoint of another chain and a line that is none', async () => {
    await write(2)
    const other = (await linesOf(await onlyFile())).filter((line) => line.includes('"checkpoint"'))
    await rm(await onlyFile())
    await write(2)
    await edit((all) => {
      const at = all.findLastIndex((line) => line.includes('"checkpoint"'))
      const mine = JSON.parse(all[at] ?? '') as object
      const theirs = JSON.parse(other.at(-1) ?? '') as { upTo: object; signature: string }
      all[at] = JSON.stringify({ ...mine, upTo: theirs.upTo, signature: theirs.signature })
    })
    options = { ...options, heads: [] }
    expect(await fault()).toMatchObject({ problem: 'signature' })
    await edit((all) => all.splice(1, 0, 'not JSON'))
    expect(await fault()).toMatchObject({ problem: 'unreadable', line: 2 })
  })

  it('goes by what is there where files were moved elsewhere, if it is told so', async () => {
    await write(30, 4096)
    const [first = ''] = (await readdir(directory)).sort()
    await rm(join(directory, first))
    expect(await fault()).toMatchObject({ problem: 'beginning-missing', seq: 1 })
    options = { ...options, partial: true }
    expect(await fault()).toBeUndefined()
  })
})
