/**
 * What the second layer of DSSE-KMS costs: 8 MiB sealed and opened with one layer and with two, taking turns in one process;
 * processor time. `node test/bench/layers.ts [rounds]`
 */
import { randomBytes } from 'node:crypto'
import {
  type DataAlgorithm,
  DUAL_LAYER_ALGORITHM,
  generateObjectKey,
  newStreamHeader,
  StreamOpener,
  StreamSealer,
} from '@coffer/crypto-core'

const PLAIN_BYTES = 8 * 2 ** 20
const WARM_UP_ROUNDS = 4
const [rounds = 30] = process.argv.slice(2).map(Number)
const ALGORITHMS: readonly DataAlgorithm[] = ['AES-256-GCM', DUAL_LAYER_ALGORITHM]
const plain = randomBytes(PLAIN_BYTES)
const spent = new Map(ALGORITHMS.map((algorithm) => [algorithm, { sealMs: [] as number[], openMs: [] as number[] }]))

for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
  for (const algorithm of ALGORITHMS) {
    const objectKey = generateObjectKey(algorithm)
    const header = newStreamHeader({ algorithm, partNumber: 0 })
    let sealed: Uint8Array[] = []
    const sealMs = processorMs(() => {
      sealed = new StreamSealer(objectKey, header, { plainSizeBytes: PLAIN_BYTES }).seal(plain, true)
    })
    const stored = Buffer.concat(sealed).subarray(header.length)
    const openMs = processorMs(() => {
      const opener = new StreamOpener(objectKey, header, { plainTotalBytes: PLAIN_BYTES, expectedPartNumber: 0 })
      opener.openSegments(0, stored)
    })
    if (round < 0) continue
    spent.get(algorithm)?.sealMs.push(sealMs)
    spent.get(algorithm)?.openMs.push(openMs)
  }
}
for (const [algorithm, { sealMs, openMs }] of spent) {
  const [seal, open] = [sealMs, openMs].map((each) => (PLAIN_BYTES / 2 ** 20 / medianOf(each)) * 1000)
  console.log(`| ${algorithm} | ${seal?.toFixed(0)} MiB/s | ${open?.toFixed(0)} MiB/s |`)
}

function processorMs(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

function medianOf(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}
