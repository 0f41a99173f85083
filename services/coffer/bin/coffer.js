#!/usr/bin/env node
// Plain JavaScript that any Node understands: an old one must be able to say that it is too old.
const NODE_MAJOR_MIN = 26
const major = Number(process.versions.node.split('.')[0])

if (major >= NODE_MAJOR_MIN) {
  keepCompiledCode()
    .then(() => import('../src/main.ts'))
    .then(({ main }) => main(process.argv))
} else {
  console.error(
    `coffer needs Node.js ${NODE_MAJOR_MIN} or newer; this is ${process.version} (${process.execPath}).\n` +
      'In a clone of the repository, `npx --yes pnpm@12 start` brings a Node.js of its own; if it did not, run\n' +
      '`npx --yes pnpm@12 install` and look at what failed. Elsewhere, get Node.js from https://nodejs.org.',
  )
  process.exitCode = 1
}

/**
 * Compiled code is kept in the user's own cache directory, so that the next start is several times faster. Not in the
 * shared directory for temporary files, where another user could have put code in its place.
 */
async function keepCompiledCode() {
  const [{ enableCompileCache }, { homedir }, { join }] = await Promise.all([
    import('node:module'),
    import('node:os'),
    import('node:path'),
  ])
  const caches = process.platform === 'darwin' ? 'Library/Caches' : '.cache'
  enableCompileCache(join(process.env.XDG_CACHE_HOME || join(homedir(), caches), 'coffer'))
}
