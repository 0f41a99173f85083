import { type FileHandle, open } from 'node:fs/promises'
import { type EventMessage, type EventTarget, type EventTargetPlugin, eventTargetError } from '@coffer/event-targets'
import { z } from 'zod'

/* An event target as a third party writes it: a package of its own, named in the configuration. A line of a file for each message. */
const Options = z.strictObject({ file: z.string().min(1) })

class ExampleTarget implements EventTarget {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  async send({ body }: EventMessage): Promise<void> {
    let file: FileHandle | undefined
    try {
      file = await open(this.#path, 'a')
      await file.appendFile(`${body}\n`)
      await file.datasync()
    } catch (cause) {
      throw eventTargetError('EVENT_TARGET_UNAVAILABLE', { reason: 'the file cannot be written' }, { cause })
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
