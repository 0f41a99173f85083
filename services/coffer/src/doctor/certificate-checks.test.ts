import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ensureDefaultCertificate } from '../certificates/certificate-files.ts'
import { checkCertificates } from './certificate-checks.ts'

const DAY_MS = 86_400_000

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'coffer-doctor-'))
})
afterEach(() => rm(directory, { recursive: true }))

it('tells a certificate that is good from one that is not yet, soon not any more, and no longer', async () => {
  expect((await checkCertificates(directory, Date.now())).map(({ code }) => code)).toEqual(['certificates-none'])
  await ensureDefaultCertificate(directory, ['localhost'])
  const codesAt = async (days: number) =>
    (await checkCertificates(directory, Date.now() + days * DAY_MS)).map(({ code }) => code)
  expect(await codesAt(0)).toEqual(['certificate'])
  expect(await codesAt(-2)).toEqual(['certificate-not-yet-valid'])
  expect(await codesAt(815)).toEqual(['certificate-expires-soon'])
  expect(await codesAt(830)).toEqual(['certificate-expired'])
})
