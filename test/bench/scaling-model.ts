/**
 * The queueing model of docs/scaling.md: a closed network of stations, solved by exact mean value analysis (Reiser and
 * Lavenberg, 1980). Each process is a station with one server; calls are spread evenly over the processes of a service.
 *
 *   node test/bench/scaling-model.ts [clients, default 64]
 */

/** Processor time of a request at each service, µs: what `node test/bench/mesh-stages.ts postgres` printed. */
const DEMANDS_US = {
  put: { gateway: 393, metadata: 373, crypto: 147, kms: 20, iam: 30, nats: 127, postgres: 197 },
  get: { gateway: 313, metadata: 300, crypto: 113, kms: 10, iam: 43, nats: 150, postgres: 117 },
} as const
/** Waits in which nobody works: the sync of a group commit, as docs/performance.md has it for 8 writers. */
const WAIT_US = { put: 6_000, get: 0 } as const

type Kind = keyof typeof DEMANDS_US
type Service = keyof (typeof DEMANDS_US)['put']
/** Processes of each service; of NATS and PostgreSQL, cores. */
type Plan = Readonly<Record<Service, number>>

const base: Omit<Plan, 'gateway'> = { metadata: 2, crypto: 2, kms: 2, iam: 2, nats: 4, postgres: 4 }
const PLANS: readonly (readonly [string, Plan])[] = [
  ['1 gateway, 1 of each other service', { ...base, gateway: 1, metadata: 1, crypto: 1, kms: 1, iam: 1 }],
  ['2 gateways, 1 of each other service', { ...base, gateway: 2, metadata: 1, crypto: 1, kms: 1, iam: 1 }],
  ['1 gateway, 2 of each other service', { ...base, gateway: 1 }],
  ['2 gateways, 2 of each other service', { ...base, gateway: 2 }],
  ['4 gateways, 4 metadata, 2 crypto', { ...base, gateway: 4, metadata: 4 }],
  ['8 gateways, 8 metadata, 4 crypto', { ...base, gateway: 8, metadata: 8, crypto: 4 }],
]

/** Requests a second and mean response time, for so many clients that ask again as soon as they have an answer. */
function solve(kind: Kind, plan: Plan, clients: number): { perSecond: number; responseMs: number } {
  const stations = Object.entries(DEMANDS_US[kind]).flatMap(([service, us]) => {
    const count = plan[service as Service]
    return Array.from({ length: count }, () => ({ demandUs: us / count, queue: 0 }))
  })
  let [throughput, responseUs] = [0, 0]
  for (let customers = 1; customers <= clients; customers++) {
    const residence = stations.map(({ demandUs, queue }) => demandUs * (1 + queue))
    responseUs = residence.reduce((sum, us) => sum + us, 0)
    throughput = customers / (WAIT_US[kind] + responseUs)
    for (const [index, station] of stations.entries()) station.queue = throughput * (residence[index] ?? 0)
  }
  return { perSecond: throughput * 1e6, responseMs: (responseUs + WAIT_US[kind]) / 1_000 }
}

/** The station that works most for a request, and so bounds them all. */
function boundOf(kind: Kind, plan: Plan): string {
  const [most] = Object.entries(DEMANDS_US[kind])
    .map(([service, us]) => [service, us / plan[service as Service]] as const)
    .sort((a, b) => b[1] - a[1])
  return most === undefined ? '' : `${most[0]}, ${Math.round(1e6 / most[1])}/s`
}

const clients = Number(process.argv[2] ?? 64)
for (const kind of ['put', 'get'] as const) {
  process.stdout.write(
    `| ${kind}, ${clients} clients | requests/s | mean time | bounded by |\n| --- | --- | --- | --- |\n`,
  )
  for (const [name, plan] of PLANS) {
    const { perSecond, responseMs } = solve(kind, plan, clients)
    const figures = `${Math.round(perSecond)} | ${responseMs.toFixed(1)} ms | ${boundOf(kind, plan)}`
    process.stdout.write(`| ${name} | ${figures} |\n`)
  }
}
