#!/usr/bin/env bash
# webpack 5.113.0, target 'node': a `new Worker(new URL('./w.js', import.meta.url))` that is the first element of an array
# beside another `new` of the same module is spelled wrongly. The bundle holds
#   new node_worker_threads….Worker__webpack_require__.wc(new URL(…))
# where two expressions have run into one name, builds without an error or a warning, and throws a TypeError when it runs.
#
# Expected: the worker starts, as it does unbundled.
# Seen: "Cannot read properties of undefined (reading 'wc')"; the file that it built has `Worker__webpack_require__`.
#
# Takes half a minute in a temporary folder. Exit code 1 where the behaviour is another.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
printf '{ "private": true, "type": "module" }\n' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts webpack@5.113.0 webpack-cli@7.3.1
printf 'console.log("a worker runs")\n' >w.js
cat >app.js <<'JS'
import { MessageChannel, Worker } from 'node:worker_threads'
export const start = () => [new Worker(new URL('./w.js', import.meta.url)), new MessageChannel()]
const [worker] = start()
worker.on('exit', () => process.exit(0))
JS
cat >webpack.config.js <<'JS'
export default {
  entry: './app.js',
  target: 'node',
  mode: 'development',
  devtool: false,
  output: { filename: 'out.mjs', module: true, chunkFormat: 'module' },
  experiments: { outputModule: true },
}
JS
echo "unbundled: $(node app.js)"
npx webpack --stats=errors-warnings
spelled=$(grep -c 'Worker__webpack_require__' dist/out.mjs || true)
said=$(node dist/out.mjs 2>&1 || true)
echo "webpack 5.113.0: lines with Worker__webpack_require__: $spelled"
grep -n 'Worker__webpack_require__' dist/out.mjs || true
echo "bundled: $(grep -m1 -E 'Error|runs' <<<"$said")"
[ "$spelled" -gt 0 ] && grep -q "reading 'wc'" <<<"$said"
