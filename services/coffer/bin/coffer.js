#!/usr/bin/env node
// Plain JavaScript that any Node understands: an old one must be able to say that it is too old.
const NODE_MAJOR_MIN = 26
const major = Number(process.versions.node.split('.')[0])

if (major >= NODE_MAJOR_MIN) {
  // Compiled code is kept below the system's directory for temporary files: the next start is several times faster.
  import('node:module')
    .then((module) => module.enableCompileCache())
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
