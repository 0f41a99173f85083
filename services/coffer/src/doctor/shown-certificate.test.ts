import { mkdtemp, readFile, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer, type Server } from 'node:tls'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ensureDefaultCertificate } from '../certificates/certificate-files.ts'
import { checkShownCertificate } from './shown-certificate.ts'

const DAY_MS = 86_400_000

let directory: string
let server: Server
let port = 0
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'coffer-shown-'))
  await ensureDefaultCertificate(directory, ['localhost'])
  const [cert, key] = await Promise.all(['public.crt', 'private.key'].map((name) => readFile(join(directory, name))))
  server = createServer({ cert, key })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})
afterEach(async () => {
  server.close()
  await rm(directory, { recursive: true })
})

it('tells a certificate that ends soon, or has ended, and nothing of one that is good or cannot be seen', async () => {
  const codesAt = async (days: number, at = port) => {
    const place = { hostname: '127.0.0.1', port: at }
    return (await checkShownCertificate('it', place, Date.now() + days * DAY_MS)).map(({ code }) => code)
  }
  expect(await codesAt(0)).toEqual([])
  expect(await codesAt(815)).toEqual(['identity-certificate-expires-soon'])
  expect(await codesAt(830)).toEqual(['identity-certificate-expired'])
  expect(await codesAt(830, 1)).toEqual([])
})
