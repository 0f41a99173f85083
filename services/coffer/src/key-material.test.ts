import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { insecureExportKeyBytes } from '@coffer/crypto-core'
import { describe, expect, test } from 'vitest'
import { readKeyMaterial, readKeyMaterialFile } from './key-material.ts'

const KEY = Buffer.concat([Buffer.from([0xff]), randomBytes(31)])
const TEXT = KEY.toString('base64')

/** In pieces, as a pipe brings them. */
function streamOf(bytes: Buffer): Readable {
  return Readable.from([Buffer.from(bytes.subarray(0, 5)), Buffer.from(bytes.subarray(5))])
}

describe('a key from outside', () => {
  test.each([
    ['its bytes', KEY],
    ['base64', Buffer.from(TEXT)],
    ['base64 with white space around it', Buffer.from(`  ${TEXT}\r\n`)],
  ])('is read from %s', async (_, bytes) => {
    const read = await readKeyMaterial(streamOf(bytes), 'the test')
    expect(Buffer.from(insecureExportKeyBytes(read)).equals(KEY)).toBe(true)
  })

  test('leaves no bytes in what was read', async () => {
    const piece = Buffer.from(KEY)
    await readKeyMaterial(Readable.from([piece]), 'the test')
    expect(piece.equals(Buffer.alloc(32))).toBe(true)
  })

  test.each([
    ['nothing', Buffer.alloc(0)],
    ['a short key', KEY.subarray(1)],
    ['a long key', Buffer.concat([KEY, Buffer.from([0x80])])],
    ['half a key in hexadecimal', Buffer.from(KEY.toString('hex').slice(0, 32))],
    ['a name before it', Buffer.from(`name:${TEXT}`)],
    ['no padding', Buffer.from(TEXT.replace('=', ''))],
    ['another spelling of the same bits', Buffer.from(`${Buffer.alloc(32, 7).toString('base64').slice(0, 42)}d=`)],
    ['a large file', Buffer.alloc(100_000, 'A')],
  ])('is refused without showing it: %s', async (_, bytes) => {
    const refused = readKeyMaterial(streamOf(bytes), 'the test')
    await expect(refused).rejects.toMatchObject({ code: 'COFFER_KEY_MATERIAL_INVALID' })
    if (bytes.length > 20) await expect(refused).rejects.not.toThrow(bytes.toString('latin1').slice(0, 20))
  })

  test('is read from a file; what is none is refused', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'coffer-key-material-'))
    const path = join(directory, 'key')
    await writeFile(path, KEY)
    expect((await readKeyMaterialFile(path)).lengthBytes).toBe(32)
    for (const wrong of [directory, join(directory, 'none')]) {
      await expect(readKeyMaterialFile(wrong)).rejects.toMatchObject({ code: 'COFFER_KEY_MATERIAL_INVALID' })
    }
    await rm(directory, { recursive: true })
  })
})
