import { join } from 'node:path'
import type { EventTarget } from '@coffer/event-targets'
import { eventTargetContract, messageOf } from '@coffer/event-targets/contract'
import { amqpTarget } from '@coffer/event-targets/targets/amqp'
import { connect } from 'amqplib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWithPrograms } from '../harness/find-program.ts'
import { type RabbitServer, startRabbit } from '../harness/rabbitmq-server.ts'
import { CertificateAuthority } from '../kms/certificate-authority.ts'

const QUEUE = 'coffer.events.photos'

describeWithPrograms('RabbitMQ as an event target', ['rabbitmq-server', 'epmd', 'openssl'], (programs) => {
  let authority: CertificateAuthority
  let rabbit: RabbitServer
  let passwordFile: string
  beforeAll(async () => {
    authority = new CertificateAuthority(programs.openssl)
    rabbit = await startRabbit(programs, authority.issue('localhost', 'serverAuth'))
    passwordFile = authority.fileWith(rabbit.password)
  })
  afterAll(async () => {
    await rabbit?.stop()
    authority?.dispose()
  })

  const open = (settings: object): Promise<EventTarget> =>
    amqpTarget.open(
      amqpTarget.options.parse({ url: rabbit.url, user: rabbit.user, passwordFile, timeoutMs: 20_000, ...settings }),
      { name: 'test' },
    )

  /** Takes what the queue holds. */
  async function drain(): Promise<{ body: string; properties: { messageId: string; type: string } }[]> {
    const connection = await connect({
      hostname: '127.0.0.1',
      port: Number(new URL(rabbit.url).port),
      username: rabbit.user,
      password: rabbit.password,
    })
    const channel = await connection.createChannel()
    const taken = []
    for (;;) {
      const message = await channel.get(QUEUE, { noAck: true })
      if (message === false) break
      taken.push({ body: message.content.toString(), properties: message.properties })
    }
    await connection.close()
    return taken
  }

  eventTargetContract('AMQP over TLS', async () => {
    const target = await open({ url: rabbit.tlsUrl, caFile: authority.caFile })
    const bodies: string[] = []
    return {
      target,
      async received() {
        bodies.push(...(await drain()).map(({ body }) => body))
        return bodies
      },
      stop: () => rabbit.kill(),
      start: () => rabbit.start(),
      dispose: () => target.close(),
    }
  })

  test('a message says what it is, and outlives the server', async () => {
    const target = await open({ exchange: 'amq.direct', routingKey: 'all.{event}' })
    const admin = await connect({
      hostname: '127.0.0.1',
      port: Number(new URL(rabbit.url).port),
      username: rabbit.user,
      password: rabbit.password,
    })
    const channel = await admin.createChannel()
    await channel.bindQueue(QUEUE, 'amq.direct', 'all.s3_ObjectCreated_Put')
    await admin.close()
    const message = messageOf('{"kept":true}')
    await target.send(message)
    await rabbit.kill()
    await rabbit.start()
    expect(await drain()).toMatchObject([
      {
        body: message.body,
        properties: {
          messageId: message.id,
          type: 's3:ObjectCreated:Put',
          contentType: 'application/json',
          deliveryMode: 2,
          headers: { bucket: 'photos' },
        },
      },
    ])
    await target.close()
  })

  test('what no queue takes, or no exchange, is unavailable, not acknowledged; then it goes on', async () => {
    const [unroutable, nowhere] = [await open({ routingKey: 'nowhere' }), await open({ exchange: 'not-there' })]
    await expect(unroutable.send(messageOf('{}'))).rejects.toMatchObject({
      code: 'EVENT_TARGET_UNAVAILABLE',
      details: { reason: 'no queue has the routing key' },
    })
    await expect(nowhere.send(messageOf('{}'))).rejects.toMatchObject({
      code: 'EVENT_TARGET_UNAVAILABLE',
      details: { reason: 'AMQP reply 404' },
    })
    for (const target of [unroutable, nowhere]) await target.close()
  })

  test('a wrong password, and a server that another authority vouches for, are unavailable, and told without a secret', async () => {
    const wrong = await open({ passwordFile: authority.fileWith('wrong-password') })
    const error = await wrong.send(messageOf('{}')).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'EVENT_TARGET_UNAVAILABLE' })
    expect(JSON.stringify(error)).not.toContain('wrong-password')
    const stranger = new CertificateAuthority(programs.openssl)
    const deceived = await open({ url: rabbit.tlsUrl, caFile: stranger.caFile })
    await expect(deceived.send(messageOf('{}'))).rejects.toMatchObject({ code: 'EVENT_TARGET_UNAVAILABLE' })
    stranger.dispose()
    for (const target of [wrong, deceived]) await target.close()
  })

  test('is not opened with a password in its address, nor without the files that it names', async () => {
    for (const url of ['amqp://coffer:secret@127.0.0.1/', 'https://127.0.0.1/', 'nothing']) {
      expect(amqpTarget.options.safeParse({ url }).success).toBe(false)
    }
    await expect(open({ caFile: join('/', 'not-there') })).rejects.toMatchObject({
      code: 'EVENT_TARGET_SECRET_UNREADABLE',
    })
  })
})
