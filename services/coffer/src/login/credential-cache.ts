import { createHash } from 'node:crypto'
import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'

const CachedLogin = z.object({
  credentials: z.object({
    accessKeyId: z.string(),
    secretAccessKey: z.string(),
    sessionToken: z.string(),
    expiration: z.iso.datetime({ offset: true }),
  }),
  refreshToken: z.string().optional(),
  /** Where to end it. Absent: it was kept before there was a logout. */
  at: z.object({ endpoint: z.string(), issuer: z.string().optional(), clientId: z.string().optional() }).optional(),
})
export type CachedLogin = z.infer<typeof CachedLogin>

const NAME = /^[0-9a-f]{32}\.json$/
/** Credentials that end sooner are not worth giving out. */
const REMAINING_MS_MIN = 5 * 60_000

/** Where logins are kept between calls, as the AWS CLI does in ~/.aws/cli/cache: files that only this user can read. */
export class CredentialCache {
  readonly #directory: string
  readonly #path: string

  private constructor(directory: string, name: string) {
    this.#directory = directory
    this.#path = join(directory, name)
  }

  /** `parts`: what tells one login from another. */
  static of(parts: readonly unknown[], directory = defaultDirectory()): CredentialCache {
    const name = createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32)
    return new CredentialCache(directory, `${name}.json`)
  }

  /** Every login that is kept. */
  static async all(
    directory = defaultDirectory(),
  ): Promise<{ readonly login: CachedLogin; readonly cache: CredentialCache }[]> {
    const names = await readdir(directory).catch(() => [])
    const caches = names.filter((name) => NAME.test(name)).map((name) => new CredentialCache(directory, name))
    const found = await Promise.all(caches.map(async (cache) => ({ cache, login: await cache.find() })))
    return found.flatMap(({ cache, login }) => (login === undefined ? [] : [{ cache, login }]))
  }

  /** Undefined for what is not there or cannot be read as one. */
  async find(): Promise<CachedLogin | undefined> {
    try {
      return CachedLogin.parse(JSON.parse(await readFile(this.#path, 'utf8')))
    } catch {
      return undefined
    }
  }

  /** Replaces the file whole: another process sees the old or the new. */
  async put(login: CachedLogin): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
    await chmod(this.#directory, 0o700)
    const temporary = `${this.#path}.${process.pid}`
    await writeFile(temporary, JSON.stringify(login), { mode: 0o600, flag: 'wx' }).catch(async () => {
      await rm(temporary, { force: true })
      await writeFile(temporary, JSON.stringify(login), { mode: 0o600, flag: 'wx' })
    })
    await rename(temporary, this.#path)
  }

  async remove(): Promise<void> {
    await rm(this.#path, { force: true })
  }
}

export function isFresh({ credentials }: CachedLogin, nowMs: number): boolean {
  return Date.parse(credentials.expiration) - nowMs > REMAINING_MS_MIN
}

function defaultDirectory(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'coffer', 'login')
}
