import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Admin } from '@platformatic/kafka'
import { freePort } from './free-port.ts'
import { type ProcessGroup, startGroup } from './process-group.ts'

export interface KafkaServer {
  /** Without TLS and without a password, for the test itself: `host:port`. */
  readonly plain: string
  /** TLS, and a password by SCRAM-SHA-512. */
  readonly guarded: string
  readonly user: string
  readonly password: string
  createTopic(name: string, settings?: Readonly<Record<string, string>>): Promise<void>
  /** SIGKILL, as a crash would. */
  kill(): Promise<void>
  /** On what a killed one left. */
  start(): Promise<void>
  stop(): Promise<void>
}

const USER = 'coffer'
const PARTITIONS = 3
const PATIENCE_MS = 120_000
const JARS = join(import.meta.dirname, 'kafka/jars')
const LOGGING = join(import.meta.dirname, 'kafka/log4j2.properties')
const FETCHED_BY = 'mvn -q -f test/harness/kafka/pom.xml dependency:copy-dependencies'
/** One short-lived broker: start quickly, and take little. */
const JVM = [
  '-Xmx256m',
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-Xshare:auto',
  `-Dlog4j2.configurationFile=${LOGGING}`,
]

/** Why there can be no Kafka here; undefined: there can. */
export function kafkaMissing(): string | undefined {
  return existsSync(JARS) ? undefined : `Apache Kafka is not there: ${FETCHED_BY}`
}

/** An Apache Kafka of its own on loopback: one broker, which is its own controller. */
export async function startKafka(java: string, tls: { certFile: string; keyFile: string }): Promise<KafkaServer> {
  const directory = mkdtempSync(join(tmpdir(), 'coffer-kafka-'))
  const password = randomBytes(12).toString('hex')
  const [plainPort, guardedPort, controllerPort] = [await freePort(), await freePort(), await freePort()]
  const keystore = join(directory, 'keystore.pem')
  writeFileSync(keystore, readFileSync(tls.keyFile, 'utf8') + readFileSync(tls.certFile, 'utf8'), { mode: 0o600 })
  const listeners = `PLAINTEXT://127.0.0.1:${plainPort},SASL_SSL://localhost:${guardedPort}`
  const settings = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    listeners: `${listeners},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': listeners,
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL',
    'inter.broker.listener.name': 'PLAINTEXT',
    'sasl.enabled.mechanisms': 'SCRAM-SHA-512',
    'listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config':
      'org.apache.kafka.common.security.scram.ScramLoginModule required;',
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': keystore,
    'log.dirs': join(directory, 'data'),
    'auto.create.topics.enable': 'false',
    'num.partitions': String(PARTITIONS),
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '1',
    'group.initial.rebalance.delay.ms': '0',
    // A killed broker is taken back when its session is over.
    'broker.session.timeout.ms': '2000',
    'broker.heartbeat.interval.ms': '400',
    // A crash must not lose what the test's machine had not yet written.
    'log.flush.interval.messages': '1',
  }
  const file = join(directory, 'server.properties')
  writeFileSync(
    file,
    Object.entries(settings)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
    { mode: 0o600 },
  )
  const env = { PATH: process.env.PATH, LANG: 'C.UTF-8' }
  const main = (name: string) => [...JVM, '-cp', `${JARS}/*`, name]
  const scram = `SCRAM-SHA-512=[name=${USER},password=${password}]`
  const format = ['format', '-c', file, '-t', randomBytes(16).toString('base64url'), '--add-scram', scram]
  const made = spawnSync(java, [...main('kafka.tools.StorageTool'), ...format], {
    env,
    cwd: directory,
    encoding: 'utf8',
  })
  if (made.status !== 0) throw new Error(`Kafka's storage was not made:\n${made.stdout}${made.stderr}`)
  const plain = `127.0.0.1:${plainPort}`
  let group: ProcessGroup
  const start = async () => {
    group = startGroup(java, [...main('kafka.Kafka'), file], { env, cwd: directory })
    const deadline = Date.now() + PATIENCE_MS
    for (;;) {
      const isReady = await asAdmin(plain, (admin) => admin.listTopics()).then(
        () => true,
        () => false,
      )
      if (isReady) return
      if (group.exited() || Date.now() > deadline) throw new Error(`Kafka did not start:\n${group.logs()}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  await start()
  return {
    plain,
    guarded: `localhost:${guardedPort}`,
    user: USER,
    password,
    async createTopic(name, configs = {}) {
      const list = Object.entries(configs).map(([key, value]) => ({ name: key, value }))
      await asAdmin(plain, (admin) =>
        admin.createTopics({ topics: [name], partitions: PARTITIONS, replicas: 1, configs: list }),
      )
    },
    kill: () => group.kill('SIGKILL'),
    start,
    async stop() {
      await group.kill('SIGKILL')
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

async function asAdmin<T>(broker: string, work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Admin({ clientId: 'test', bootstrapBrokers: [broker], retries: 0, connectTimeout: 2_000 })
  try {
    return await work(admin)
  } finally {
    await admin.close()
  }
}
