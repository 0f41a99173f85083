import { type FileHandle, open } from 'node:fs/promises'
import type { EventMessage, EventTarget, EventTargetPlugin } from '@coffer/event-targets'
import { z } from 'zod'

/*
 * An event target as a third party writes it: a package of its own, named in the configuration, which needs nothing of Coffer's when
 * it runs. A line of a file for each message.
 */
const Options = z.strictObject({ file: z.string().min(1) })

class ExampleTarget implements EventTarget {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  async send({ body, key }: EventMessage): Promise<void> {
    if (key.endsWith('.refused')) throw Object.assign(new Error('no'), { code: 'EVENT_TARGET_REFUSED' })
    let file: FileHandle | undefined
    try {
      file = await open(this.#path, 'a')
      await file.appendFile(`${body}\n`)
      await file.datasync()
    } catch (cause) {
      const details = { reason: 'the file cannot be written' }
      throw Object.assign(new Error(details.reason, { cause }), { code: 'EVENT_TARGET_UNAVAILABLE', details })
    } finally {
      await file?.close()
    }
  }

  async close(): Promise<void> {}
}

const exampleTarget: EventTargetPlugin<z.infer<typeof Options>> = {
  options: Options,
  async open({ file }) {
    return new ExampleTarget(file)
  },
}
export default exampleTarget
