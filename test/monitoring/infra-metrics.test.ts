import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { freePort } from '../harness/free-port.ts'
import { REPOSITORY, serverForSuite } from '../harness/start-server.ts'
import { firstScrape, scrapeUntil } from './scrape.ts'

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[]
}
interface Alerts {
  readonly groups: readonly {
    readonly rules: readonly {
      readonly alert: string
      readonly expr: string
      readonly annotations: { readonly summary: string }
    }[]
  }[]
}

const read = (path: string) => readFileSync(join(REPOSITORY, path), 'utf8')
const dashboard = JSON.parse(read('infra/grafana/dashboard.json')) as Dashboard
const alerts = parse(read('infra/prometheus/alerts.yaml')) as Alerts
const rules = alerts.groups.flatMap((group) => group.rules)
const address = `127.0.0.1:${await freePort()}`
await serverForSuite({ workers: 1, env: { COFFER_HEALTH_ADDRESS: address } })
await firstScrape(address)
// Of the supervisor, and of the worker.
const { names: exported } = await scrapeUntil(address, ({ names }) => names.has('coffer_requests_total'))

/** Names of metrics in an expression; those of a histogram's series go by its name. */
function metricsIn(expression: string): string[] {
  return [...expression.matchAll(/\b(?:coffer|process|nodejs)_\w+/g)].map(([name]) => name.replace(/_bucket$/, ''))
}

describe('what is made of the metrics', () => {
  it('names none that a server does not export', () => {
    const expressions = [
      ...rules.map(({ expr }) => expr),
      ...dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
    ]
    const named = new Set(expressions.flatMap(metricsIn))
    expect(named.size).toBeGreaterThan(25)
    expect([...named].filter((name) => !exported.has(name))).toEqual([])
  })

  it('leaves no metric of ours without a line in docs/monitoring.md', () => {
    const page = read('docs/monitoring.md')
    const ours = [...exported].filter((name) => name.startsWith('coffer_'))
    expect(ours.filter((name) => !page.includes(`\`${name}\``))).toEqual([])
  })

  it('has an alert for each thing that must not go unseen, and each says what is wrong', () => {
    expect(rules.map(({ alert }) => alert)).toEqual(
      expect.arrayContaining([
        'CofferErrors',
        'CofferSlow',
        'CofferKmsAway',
        'CofferEventsLate',
        'CofferAuditGap',
        'CofferDiskNearlyFull',
        'CofferCertificateEnds',
        'CofferDamage',
      ]),
    )
    for (const { annotations } of rules) expect(annotations.summary).toMatch(/\.$/)
  })
})
