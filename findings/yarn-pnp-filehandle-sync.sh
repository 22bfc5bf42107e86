#!/usr/bin/env bash
# Yarn 4.18.1, Plug'n'Play: inside such a project a FileHandle of node:fs/promises cannot be synced. Yarn puts a FileHandle
# of its own in the place of Node's, for files outside its archives too, and its sync() and datasync() always
# throw, at once and not by a rejected promise. A program that writes a file safely (write, fsync, rename) by promises fails; fs.fsync by the handle's descriptor works.
#
# Expected: handle.sync() resolves, as it does without Plug'n'Play.
# Seen: "Error: Method not implemented." for sync() and datasync(); fs.fsync(handle.fd) works.
#
# Takes half a minute in a temporary folder. Exit code 1 where the behaviour is another.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir tools app
(cd tools && printf '{ "private": true }\n' >package.json && npm install --silent --no-audit --no-fund --ignore-scripts @yarnpkg/cli-dist@4.18.1)
cd app
printf '{ "name": "app", "private": true }\n' >package.json
: >yarn.lock
cat >sync.cjs <<'JS'
const fs = require('node:fs')
const { promisify } = require('node:util')
async function tried(name, work) {
  try {
    await work()
    return `${name}: works`
  } catch (error) {
    return `${name}: ${error.message}`
  }
}
async function main() {
  const handle = await fs.promises.open('file.txt', 'w')
  await handle.write('x')
  const lines = [
    await tried('sync', () => handle.sync()),
    await tried('datasync', () => handle.datasync()),
    await tried('fsync of its descriptor', () => promisify(fs.fsync)(handle.fd)),
  ]
  await handle.close()
  console.log(lines.join('; '))
}
main()
JS
yarn() { YARN_ENABLE_TELEMETRY=0 YARN_NODE_LINKER=pnp node ../tools/node_modules/@yarnpkg/cli-dist/bin/yarn.js "$@"; }
yarn install >/dev/null
plain=$(node sync.cjs)
pnp=$(yarn node sync.cjs)
echo "Node $(node --version) alone: $plain"
echo "Yarn $(yarn --version), Plug'n'Play: $pnp"
[ "$plain" = 'sync: works; datasync: works; fsync of its descriptor: works' ]
[ "$pnp" = 'sync: Method not implemented.; datasync: Method not implemented.; fsync of its descriptor: works' ]
