import { statfs } from 'node:fs/promises'
import { Gauge, type Registry } from 'prom-client'
import { listCertificateFolders, readCertificatePair } from '../certificates/certificate-files.ts'
import type { StatePart } from './state-metrics.ts'

const DISK_AGE_MS_MAX = 10_000
const CERTIFICATE_AGE_MS_MAX = 60_000

/** The file systems below these directories, by what Coffer keeps there. */
export function diskState(directories: Readonly<Record<string, string>>, registry: Registry): StatePart {
  const gauge = (name: string, help: string) => new Gauge({ name, help, labelNames: ['holds'], registers: [registry] })
  const size = gauge('coffer_disk_size_bytes', 'Size of the file system that holds it.')
  const free = gauge('coffer_disk_free_bytes', 'What Coffer may still write there.')
  return {
    ageMsMax: DISK_AGE_MS_MAX,
    forget() {
      size.reset()
      free.reset()
    },
    async read() {
      for (const [holds, directory] of Object.entries(directories)) {
        const space = await diskSpace(directory)
        size.set({ holds }, space.sizeBytes)
        free.set({ holds }, space.freeBytes)
      }
    },
  }
}

async function diskSpace(directory: string): Promise<{ sizeBytes: number; freeBytes: number }> {
  const { blocks, bavail, bsize } = await statfs(directory)
  return { sizeBytes: blocks * bsize, freeBytes: bavail * bsize }
}

/** When the first of the server's certificates ends. */
export function certificateState(certsDirectory: string, registry: Registry): StatePart {
  const expiry = new Gauge({
    name: 'coffer_certificate_expiry_timestamp_seconds',
    help: 'When the first of the certificates that the server shows ends; seconds since 1970.',
    aggregator: 'min',
    registers: [registry],
  })
  return {
    ageMsMax: CERTIFICATE_AGE_MS_MAX,
    forget: () => expiry.remove(),
    async read() {
      const folders = await listCertificateFolders(certsDirectory)
      const pairs = await Promise.all(folders.map((folder) => readCertificatePair(certsDirectory, folder)))
      expiry.set(Math.min(...pairs.map(({ x509 }) => x509.validToDate.getTime())) / 1000)
    },
  }
}
