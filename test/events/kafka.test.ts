import { randomUUID } from 'node:crypto'
import type { EventTarget } from '@coffer/event-targets'
import { eventTargetContract, messageOf } from '@coffer/event-targets/contract'
import { kafkaTarget } from '@coffer/event-targets/targets/kafka'
import { Consumer, stringDeserializers } from '@platformatic/kafka'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeUnavailable, describeWithPrograms } from '../harness/find-program.ts'
import { type KafkaServer, kafkaMissing, startKafka } from '../harness/kafka-server.ts'
import { CertificateAuthority } from '../kms/certificate-authority.ts'
import { eventually } from './event-reading.ts'

interface Record {
  readonly key: string
  readonly value: string
  readonly partition: number
  readonly headers: ReadonlyMap<string, string>
}

/** What a topic holds, from its beginning, as it comes. */
async function read(broker: string, topic: string): Promise<{ records: Record[]; close(): Promise<void> }> {
  const records: Record[] = []
  const consumer = new Consumer({
    clientId: 'test',
    groupId: randomUUID(),
    bootstrapBrokers: [broker],
    deserializers: stringDeserializers,
  })
  const stream = await consumer.consume({ topics: [topic], mode: 'earliest', autocommit: false, maxWaitTime: 50 })
  stream.on('data', (record: Record) => records.push(record))
  // The server is killed under it.
  stream.on('error', () => undefined)
  return { records, close: () => consumer.close(true) }
}

const missing = kafkaMissing()
if (missing !== undefined) describeUnavailable('Kafka as an event target', missing)
else
  describeWithPrograms('Kafka as an event target', ['java', 'openssl'], (programs) => {
    let authority: CertificateAuthority
    let kafka: KafkaServer
    let passwordFile: string
    beforeAll(async () => {
      authority = new CertificateAuthority(programs.openssl)
      kafka = await startKafka(programs.java, authority.issue('localhost', 'serverAuth'))
      passwordFile = authority.fileWith(kafka.password)
    })
    afterAll(async () => {
      await kafka?.stop()
      authority?.dispose()
    })

    const open = (settings: object): Promise<EventTarget> => {
      const guarded = { brokers: [kafka.guarded], caFile: authority.caFile, user: kafka.user, passwordFile }
      const options = kafkaTarget.options.parse({ ...guarded, timeoutMs: 20_000, ...settings })
      return kafkaTarget.open(options, { name: 'test' })
    }

    eventTargetContract('Kafka over TLS, with a password', async () => {
      await kafka.createTopic('coffer-events')
      const target = await open({})
      let reader = await read(kafka.plain, 'coffer-events')
      return {
        target,
        received: async () => reader.records.map(({ value }) => value),
        async stop() {
          await reader.close()
          await kafka.kill()
        },
        async start() {
          await kafka.start()
          reader = await read(kafka.plain, 'coffer-events')
        },
        async dispose() {
          await reader.close()
          await target.close()
        },
      }
    })

    test('what happens to an object is in one partition, in its order, under its key', async () => {
      await kafka.createTopic('by-key')
      const target = await open({ topic: 'by-key' })
      const keys = Array.from({ length: 20 }, (_, index) => `folder/ä ${index}`)
      const rounds = [0, 1, 2, 3]
      for (const round of rounds) await Promise.all(keys.map((key) => target.send(messageOf(`${round}`, { key }))))
      const reader = await read(kafka.plain, 'by-key')
      await eventually(
        async () => reader.records.length,
        (count) => count >= 80,
      )
      const byKey = Map.groupBy(reader.records, ({ key }) => key)
      expect([...byKey.keys()].sort()).toEqual(keys.map((key) => `photos/${key}`).sort())
      for (const records of byKey.values()) {
        expect(records.map(({ value }) => value)).toEqual(rounds.map(String))
        expect(new Set(records.map(({ partition }) => partition)).size).toBe(1)
      }
      expect(new Set(reader.records.map(({ partition }) => partition)).size).toBe(3)
      const ids = reader.records.map(({ headers }) => headers.get('id'))
      expect(new Set(ids).size).toBe(80)
      expect(reader.records[0]?.headers.get('event')).toBe('s3:ObjectCreated:Put')
      await reader.close()
      await target.close()
    })

    test('a message that the topic is too small for is refused, and nothing else is', async () => {
      await kafka.createTopic('small', { 'max.message.bytes': '2000' })
      const target = await open({ topic: 'small' })
      const sizes = [10, 5_000, 20, 30]
      const sent = await Promise.allSettled(sizes.map((size) => target.send(messageOf('x'.repeat(size)))))
      expect(sent.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
      expect(sent[1]).toMatchObject({
        reason: { code: 'EVENT_TARGET_REFUSED', details: { reason: 'MESSAGE_TOO_LARGE' } },
      })
      await target.send(messageOf('{}'))
      await target.close()
    })

    test('a topic that is not there, a wrong password and a server of another authority are unavailable, told without a secret', async () => {
      const stranger = new CertificateAuthority(programs.openssl)
      const targets = [
        await open({ topic: 'not-there', timeoutMs: 2_000 }),
        await open({ passwordFile: authority.fileWith('wrong-password') }),
        await open({ caFile: stranger.caFile }),
      ]
      const reasons = [expect.any(String), 'SASL_AUTHENTICATION_FAILED', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE']
      const failures = await Promise.all(
        targets.map((target) => target.send(messageOf('{}')).catch((error: unknown) => error)),
      )
      for (const [index, failure] of failures.entries()) {
        expect(failure).toMatchObject({ code: 'EVENT_TARGET_UNAVAILABLE', details: { reason: reasons[index] } })
        expect(JSON.stringify(failure)).not.toContain('wrong-password')
      }
      stranger.dispose()
      for (const target of targets) await target.close()
    })
  })
