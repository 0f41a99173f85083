import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ClientTarget } from '../harness/s3.ts'
import { REPOSITORY } from '../harness/start-server.ts'

const PAGE = 'docs/clients.md'

/**
 * A block of docs/clients.md, made for a server: the settings that a user copies are the ones under test.
 * `heading`: of its section; `language`: of the block; the first such block of the section.
 */
export function documented(heading: string, language: string, server: ClientTarget): string {
  const sections = readFileSync(join(REPOSITORY, PAGE), 'utf8').split(/^## /m)
  const section = sections.find((text) => text.startsWith(`${heading}\n`))
  const block = section?.match(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'ms'))?.[1]
  if (block === undefined) throw new Error(`${PAGE} has no ${language} block under "${heading}"`)
  return block
    .replaceAll('127.0.0.1:9000', new URL(server.endpoint).host)
    .replaceAll('/etc/coffer/public.crt', server.caFile)
    .replaceAll('EXAMPLE-ACCESS-KEY', server.accessKeyId)
    .replaceAll('EXAMPLE-SECRET-KEY', server.secretAccessKey)
}

/** The variables that a block of `export NAME=value` lines sets. */
export function documentedVariables(heading: string, server: ClientTarget): Record<string, string> {
  const lines = documented(heading, 'sh', server).matchAll(/^export (\w+)=(.*)$/gm)
  return Object.fromEntries([...lines].map(([, name = '', value = '']) => [name, value]))
}
