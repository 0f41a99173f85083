import { randomBytes, randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { EventTarget, EventTargetPlugin } from '@coffer/event-targets'
import { eventTargetContract, messageOf } from '@coffer/event-targets/contract'
import { natsTarget } from '@coffer/event-targets/targets/nats'
import { redisTarget } from '@coffer/event-targets/targets/redis'
import { webhookTarget } from '@coffer/event-targets/targets/webhook'
import { Redis } from 'ioredis'
import { connect, type NatsConnection } from 'nats'
import { afterAll, describe, expect, test } from 'vitest'
import { describeWithPrograms } from '../harness/find-program.ts'
import { freePort } from '../harness/free-port.ts'
import { startGroup } from '../harness/process-group.ts'
import { cleanEnvironment, temporaryDirectory } from '../harness/start-server.ts'
import exampleTarget from './example-target/example-target.ts'
import { JetStreamServer } from './jet-stream.ts'
import { WebhookReceiver } from './webhook-receiver.ts'

const directory = temporaryDirectory('targets')
afterAll(() => rmSync(directory, { recursive: true, force: true }))

function secretFile(text: string): string {
  const path = join(directory, randomUUID())
  writeFileSync(path, `${text}\n`, { mode: 0o600 })
  return path
}

function open<Options>(plugin: EventTargetPlugin<Options>, settings: unknown): Promise<EventTarget> {
  return plugin.open(plugin.options.parse(settings), { name: 'test' })
}

describeWithPrograms('NATS as an event target', ['nats-server'], (programs) => {
  eventTargetContract('JetStream', async () => {
    const server = await JetStreamServer.start(programs['nats-server'])
    await server.addStream('EVENTS', 'coffer.events.>')
    const target = await open(natsTarget, { servers: server.url, jetStream: true, timeoutMs: 4_000 })
    return {
      target,
      received: async () => (await server.messages('EVENTS')).map(({ body }) => body),
      stop: () => server.kill(),
      start: () => server.start(),
      async dispose() {
        await target.close()
        await server.dispose()
      },
    }
  })

  eventTargetContract('NATS core', async () => {
    const server = await JetStreamServer.start(programs['nats-server'])
    const bodies: string[] = []
    let listener: NatsConnection | undefined
    const listen = async () => {
      listener = await connect({ servers: server.url, reconnect: false })
      listener.subscribe('coffer.events.photos', { callback: (_, message) => bodies.push(message.string()) })
      await listener.flush()
    }
    await listen()
    const target = await open(natsTarget, { servers: server.url, timeoutMs: 20_000 })
    return {
      target,
      received: async () => bodies,
      stop: () => server.kill(),
      async start() {
        await server.start()
        await listen()
      },
      async dispose() {
        await target.close()
        await listener?.close()
        await server.dispose()
      },
    }
  })

  test('a stream stores a message that is sent again once', async () => {
    const server = await JetStreamServer.start(programs['nats-server'])
    await server.addStream('EVENTS', 'hooks')
    const target = await open(natsTarget, { servers: [server.url], jetStream: true, subject: 'hooks' })
    const message = messageOf('{"once":true}')
    await target.send(message)
    await target.send(message)
    expect(await server.messages('EVENTS')).toEqual([{ id: message.id, body: message.body }])
    await target.close()
    await server.dispose()
  })

  test('a subject without a stream is unavailable, not acknowledged', async () => {
    const server = await JetStreamServer.start(programs['nats-server'])
    const target = await open(natsTarget, { servers: server.url, jetStream: true, subject: 'nowhere' })
    await expect(target.send(messageOf('{}'))).rejects.toMatchObject({ code: 'EVENT_TARGET_UNAVAILABLE' })
    await target.close()
    await server.dispose()
  })
})

describe('a webhook', () => {
  const secret = randomBytes(24).toString('hex')
  eventTargetContract('the webhook', async () => {
    const receiver = new WebhookReceiver(secret)
    await receiver.start()
    const target = await open(webhookTarget, { url: receiver.url, secretFile: secretFile(secret), timeoutMs: 20_000 })
    return {
      target,
      received: async () => receiver.received.filter(({ isGenuine }) => isGenuine).map(({ body }) => body),
      stop: () => receiver.stop(),
      start: () => receiver.start(),
      dispose: () => receiver.stop(),
    }
  })

  test('that says no has refused; one that is overloaded, moved or locked is unavailable', async () => {
    const receiver = new WebhookReceiver(secret)
    await receiver.start()
    const target = await open(webhookTarget, { url: receiver.url, secretFile: secretFile(secret) })
    for (const [status, code] of [
      [400, 'REFUSED'],
      [410, 'REFUSED'],
      [302, 'REFUSED'],
      [401, 'UNAVAILABLE'],
      [429, 'UNAVAILABLE'],
      [503, 'UNAVAILABLE'],
    ] as const) {
      receiver.answer = () => status
      await expect(target.send(messageOf('{}'))).rejects.toMatchObject({ code: `EVENT_TARGET_${code}` })
    }
    await receiver.stop()
  })

  test('is not opened on plain HTTP to another machine, nor with a short secret', async () => {
    const path = secretFile(secret)
    for (const url of ['http://hooks.example.org/', 'http://127.0.0.1.example.org/', 'ftp://127.0.0.1/', 'nothing']) {
      expect(webhookTarget.options.safeParse({ url, secretFile: path }).success).toBe(false)
    }
    const short = { url: 'https://hooks.example.org/', secretFile: secretFile('short') }
    await expect(open(webhookTarget, short)).rejects.toMatchObject({ code: 'EVENT_TARGET_SECRET_UNREADABLE' })
  })
})

describeWithPrograms('Redis as an event target', ['redis-server'], (programs) => {
  eventTargetContract('a Redis stream', async () => {
    const password = randomBytes(12).toString('hex')
    const port = await freePort()
    const configFile = join(directory, 'redis.conf')
    const lines = [`port ${port}`, 'bind 127.0.0.1', `requirepass ${password}`, 'appendonly yes', 'appendfsync always']
    writeFileSync(configFile, `${lines.join('\n')}\ndir ${directory}\n`, { mode: 0o600 })
    const url = `redis://127.0.0.1:${port}`
    let group = startGroup(programs['redis-server'], [configFile], { env: cleanEnvironment({}), cwd: directory })
    const target = await open(redisTarget, { url, passwordFile: secretFile(password), stream: 's', timeoutMs: 20_000 })
    const start = async () => {
      const deadline = Date.now() + 30_000
      while (!/ready to accept connections/i.test(group.logs())) {
        if (group.exited() || Date.now() > deadline) throw new Error(`redis-server did not start:\n${group.logs()}`)
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
    await start()
    return {
      target,
      async received() {
        const reader = new Redis(url, { password })
        const entries = await reader.xrange('s', '-', '+')
        reader.disconnect()
        return entries.map(([, fields]) => String(fields[fields.indexOf('body') + 1]))
      },
      async stop() {
        await group.kill('SIGKILL')
      },
      async start() {
        group = startGroup(programs['redis-server'], [configFile], { env: cleanEnvironment({}), cwd: directory })
        await start()
      },
      async dispose() {
        await target.close()
        await group.kill('SIGKILL')
      },
    }
  })
})

describe('a target of a third party', () => {
  eventTargetContract('the example', async () => {
    const [place, elsewhere] = [join(directory, 'example'), join(directory, 'away')]
    mkdirSync(place)
    const file = join(place, 'events')
    return {
      target: await open(exampleTarget, { file }),
      received: async () => (existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []),
      stop: async () => renameSync(place, elsewhere),
      start: async () => renameSync(elsewhere, place),
      dispose: async () => undefined,
    }
  })
})
